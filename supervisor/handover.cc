#include "supervisor/handover.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "oci/base/system.h"
#include "oci/base/unix_socket.h"

namespace tidewaiter::supervisor {
namespace {

// Takes ownership of every descriptor in the control messages, also of those that are too many.
std::vector<UniqueFd> take_fds(struct msghdr& message) {
  std::vector<UniqueFd> fds;
  for (struct cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

Result<HandoverConnection> HandoverConnection::make(UniqueFd socket) {
  const auto peer = TRY(peer_credentials(socket.get()));
  if (peer.uid != 0 && peer.uid != ::geteuid()) {
    return fail(EACCES, "connection from user " + std::to_string(peer.uid));
  }
  return HandoverConnection(std::move(socket));
}

Result<HandoverConnection::Progress> HandoverConnection::read() {
  std::array<char, 64U << 10U> buffer;
  for (;;) {
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
      if (errno == EAGAIN) return Progress::kWaiting;
      return fail(errno, "recvmsg");
    }
    auto fds = take_fds(message);
    if ((message.msg_flags & MSG_CTRUNC) != 0) return fail(EMSGSIZE, "too many descriptors");
    if (count == 0) {
      if (message_.empty()) return Progress::kEmpty;
      return fail("the connection closed in the middle of the container process state");
    }
    if (!fds.empty()) {
      if (!message_.empty())
        return fail("descriptors came after the first bytes of the container process state");
      fds_ = std::move(fds);
    }
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(count));
    if (message_.size() + piece.size() > kLimit) return fail(EMSGSIZE, "container process state");
    message_ += piece;
    switch (scanner_.feed(piece)) {
      case spec::JsonObjectScanner::Progress::kIncomplete:
        break;
      case spec::JsonObjectScanner::Progress::kComplete:
        return Progress::kComplete;
      case spec::JsonObjectScanner::Progress::kNotAnObject:
        return fail("the container process state is not a JSON object");
    }
  }
}

Result<Handover> HandoverConnection::take() {
  Handover handover;
  handover.state = TRY(spec::parse_state(std::string_view(message_).substr(0, scanner_.size())));
  const auto& names = handover.state.fds;
  if (names.size() != fds_.size()) {
    return fail("the container process state names " + std::to_string(names.size()) + " descriptors, and " +
                std::to_string(fds_.size()) + " came with it");
  }
  const auto listener = std::find(names.begin(), names.end(), "seccompFd") - names.begin();
  handover.notify_fd = std::move(fds_[static_cast<std::size_t>(listener)]);
  const std::string kind = TRY(sys::readlink("/proc/self/fd/" + std::to_string(handover.notify_fd.get())));
  if (kind != "anon_inode:seccomp notify")
    return fail("\"seccompFd\" is \"" + kind + "\", not a seccomp listener");
  return handover;
}

}  // namespace tidewaiter::supervisor
