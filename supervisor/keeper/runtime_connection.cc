#include "supervisor/keeper/runtime_connection.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "oci/base/system.h"
#include "oci/base/unix_socket.h"

namespace tidewaiter::supervisor {

Result<RuntimeConnection> RuntimeConnection::make(UniqueFd socket) {
  const auto peer = TRY(peer_credentials(socket.get()));
  if (peer.uid != 0 && peer.uid != ::geteuid()) {
    return fail(EACCES, "connection from user " + std::to_string(peer.uid));
  }
  UniqueFd bytes(::memfd_create("tidewaiter-handover", MFD_CLOEXEC));
  if (!bytes.valid()) return fail(errno, "memfd_create");
  return RuntimeConnection(std::move(socket), std::move(bytes));
}

Result<RuntimeConnection> RuntimeConnection::restore(UniqueFd socket, UniqueFd bytes,
                                                     std::vector<UniqueFd> fds, bool closed) {
  const auto size = TRY(sys::fstat(bytes.get())).st_size;
  RuntimeConnection restored(std::move(socket), std::move(bytes));
  restored.size_ = static_cast<std::size_t>(size);
  restored.fds_ = std::move(fds);
  restored.closed_ = closed;
  return restored;
}

Status RuntimeConnection::receive() {
  static std::array<char, 64U << 10U> buffer;
  while (!closed_) {
    alignas(struct cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
    struct iovec bytes = {buffer.data(), buffer.size()};
    struct msghdr message {};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t count = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return {};
      return fail(errno, "recvmsg");
    }
    auto fds = take_fds(message);
    if ((message.msg_flags & MSG_CTRUNC) != 0) return fail(EMSGSIZE, "too many descriptors");
    if (!fds.empty()) {
      if (size_ != 0) {
        return fail("descriptors came after the first bytes of the container process state");
      }
      fds_ = std::move(fds);
    }
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(count));
    if (size_ + piece.size() > kLimit) return fail(EMSGSIZE, "container process state");
    TRY(sys::write_all(bytes_.get(), piece));
    size_ += piece.size();
    closed_ = piece.empty();
  }
  return {};
}

}  // namespace tidewaiter::supervisor
