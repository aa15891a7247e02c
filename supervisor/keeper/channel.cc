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
  return in_context("channel", send_message(socket_.get(), parts, fds));
}

Result<std::optional<Message>> Channel::receive() const {
  Head head{};
  std::array<char, kMostText> text{};
  std::array<struct iovec, 2> parts = {{{&head, sizeof head}, {text.data(), text.size()}}};
  auto message = receive_message(socket_.get(), parts, kMostFds);
  if (!message && message.error().code == EAGAIN) return std::nullopt;
  if (!message) return fail(message.error().code, "channel");
  if (message->size == 0) return fail(ECONNRESET, "channel");
  if (message->size < sizeof head) return fail(EPROTO, "channel");
  if ((message->flags & MSG_CTRUNC) != 0) return fail(EMFILE, "channel");
  Message received;
  received.fds = std::move(message->fds);
  received.word = head.word;
  received.index = head.index;
  received.number = head.number;
  received.size = head.size;
  received.text.assign(text.data(), message->size - sizeof head);
  return received;
}

}  // namespace tidewaiter::supervisor
