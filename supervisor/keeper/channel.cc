#include "supervisor/keeper/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "oci/base/unix_socket.h"

namespace tidewaiter::supervisor {
namespace {

struct Head {
  Word word;
  std::uint32_t index;
  std::uint64_t number;
  std::uint64_t size;
};

}  // namespace

Result<Channel::Pair> Channel::make() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(errno, "socketpair");
  }
  Pair pair{Channel(UniqueFd(ends[0])), Channel(UniqueFd(ends[1]))};
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return fail(errno, "fcntl");
  return pair;
}

Status Channel::send(Word word, std::uint64_t number, std::uint64_t size, std::span<const int> fds,
                     std::string_view text, std::uint32_t index) const {
  if (fds.size() > kMostFds || text.size() > kMostText) return fail(EMSGSIZE, "channel");
  Head head{word, index, number, size};
  std::array<struct iovec, 2> parts = {{{&head, sizeof head}, {const_cast<char*>(text.data()), text.size()}}};
  struct msghdr message {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  alignas(struct cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
  attach_fds(message, fds, control);
  ssize_t count = 0;
  do {
    count = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return fail(errno, "channel");
  return {};
}

Result<std::optional<Message>> Channel::receive() const {
  Head head{};
  std::array<char, kMostText> text{};
  std::array<struct iovec, 2> parts = {{{&head, sizeof head}, {text.data(), text.size()}}};
  alignas(struct cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
  struct msghdr message {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t count = 0;
  do {
    count = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) return std::nullopt;
  if (count < 0) return fail(errno, "channel");
  Message received;
  received.fds = take_fds(message);
  if (count == 0) return fail(ECONNRESET, "channel");
  if (static_cast<std::size_t>(count) < sizeof head) return fail(EPROTO, "channel");
  if ((message.msg_flags & MSG_CTRUNC) != 0) return fail(EMFILE, "channel");
  received.word = head.word;
  received.index = head.index;
  received.number = head.number;
  received.size = head.size;
  received.text.assign(text.data(), static_cast<std::size_t>(count) - sizeof head);
  return received;
}

}  // namespace tidewaiter::supervisor
