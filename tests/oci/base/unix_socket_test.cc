#include "oci/base/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <vector>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter {
namespace {

TEST(ListenUnix, AcceptsConnectionsAndTellsWhoConnected) {
  const testing::TemporaryFolder folder;
  const auto listener = listen_unix(folder / "s");
  ASSERT_TRUE(listener) << listener.error().message();
  const auto client = connect_unix(folder / "s");
  ASSERT_TRUE(client) << client.error().message();
  const UniqueFd accepted(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted.valid());
  const auto peer = peer_credentials(accepted.get());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->pid, ::getpid());
  EXPECT_EQ(peer->uid, ::geteuid());
  EXPECT_TRUE(::fcntl(listener->get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_TRUE(::fcntl(client->get(), F_GETFD) & FD_CLOEXEC);
}

TEST(ListenUnix, MakesASocketThatOnlyItsOwnerMayUseWhateverTheUmask) {
  const testing::TemporaryFolder folder;
  const mode_t before = ::umask(0);
  const auto open_umask = listen_unix(folder / "a");
  ::umask(0777);
  const auto closed_umask = listen_unix(folder / "b");
  ::umask(before);
  ASSERT_TRUE(open_umask);
  ASSERT_TRUE(closed_umask);
  EXPECT_EQ(sys::stat(folder / "a")->st_mode & 07777U, 0600U);
  EXPECT_EQ(sys::stat(folder / "b")->st_mode & 07777U, 0600U);
}

TEST(ListenUnix, ReplacesASocketThatWasLeftBehind) {
  const testing::TemporaryFolder folder;
  { const auto dead = listen_unix(folder / "s"); }
  EXPECT_EQ(connect_unix(folder / "s").error().code, ECONNREFUSED);
  const auto listener = listen_unix(folder / "s");
  ASSERT_TRUE(listener) << listener.error().message();
  EXPECT_TRUE(connect_unix(folder / "s"));
}

TEST(ListenUnix, LeavesAFileThatIsNoSocketAlone) {
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(sys::replace_file(folder / "s", "precious"));
  const auto listener = listen_unix(folder / "s");
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, EEXIST);
  EXPECT_EQ(sys::read_file(folder / "s").value(), "precious");
}

TEST(UnixSocket, MindsTheLengthOfAPath) {
  const testing::TemporaryFolder folder;
  const std::string prefix = folder / "";
  const std::string longest = prefix + std::string(107 - prefix.size(), 'x');
  EXPECT_TRUE(listen_unix(longest)) << "107 bytes and a NUL fit";
  EXPECT_EQ(listen_unix(longest + "x").error().code, ENAMETOOLONG);
  EXPECT_EQ(connect_unix(longest + "x").error().code, ENAMETOOLONG);
  EXPECT_EQ(listen_unix("").error().code, EINVAL) << "an empty path would bind an abstract name";
  EXPECT_EQ(connect_unix(std::string("\0abstract", 9)).error().code, EINVAL);
}

TEST(ConnectUnix, NamesThePathThatIsMissing) {
  const testing::TemporaryFolder folder;
  const auto socket = connect_unix(folder / "absent");
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().message(),
            "connect to " + (folder / "absent") + ": connect: No such file or directory");
}

// --- descriptors ---

struct Ends {
  UniqueFd one;
  UniqueFd other;
};

Ends connected() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

bool send(const UniqueFd& socket, std::span<const int> fds) {
  char byte = 'x';
  struct iovec part = {&byte, 1};
  struct msghdr message {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(struct cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> room{};
  attach_fds(message, fds, room);
  return ::sendmsg(socket.get(), &message, 0) == 1;
}

std::vector<UniqueFd> receive(const UniqueFd& socket) {
  char byte = 0;
  struct iovec part = {&byte, 1};
  struct msghdr message {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(struct cmsghdr) std::array<char, 256> room{};
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  EXPECT_EQ(::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC), 1);
  return take_fds(message);
}

TEST(TakeFds, TakesAllThatWereAttachedInTheirOrder) {
  const Ends ends = connected();
  const auto pipe = sys::pipe();
  ASSERT_TRUE(pipe);
  const std::array fds{pipe->read_end.get(), pipe->write_end.get(), ends.one.get()};
  ASSERT_TRUE(send(ends.one, fds));
  const auto taken = receive(ends.other);
  ASSERT_EQ(taken.size(), fds.size());
  for (std::size_t i = 0; i < fds.size(); ++i) {
    EXPECT_EQ(sys::fstat(taken[i].get())->st_ino, sys::fstat(fds[i])->st_ino) << i;
    EXPECT_NE(taken[i].get(), fds[i]);
  }
}

TEST(Messages, ComeWholeWithTheirDescriptors) {
  const Ends ends = connected();
  std::string head = "head";
  std::string body = "and body";
  const std::array<struct iovec, 2> sent = {{{head.data(), head.size()}, {body.data(), body.size()}}};
  const std::array fds{ends.one.get(), ends.other.get()};
  ASSERT_TRUE(send_message(ends.one.get(), sent, fds));
  std::array<char, 32> bytes{};
  std::array<struct iovec, 1> parts = {{{bytes.data(), bytes.size()}}};
  const auto received = receive_message(ends.other.get(), parts, 2);
  ASSERT_TRUE(received) << received.error().message();
  EXPECT_EQ(std::string(bytes.data(), received->size), "headand body");
  ASSERT_EQ(received->fds.size(), 2U);
  EXPECT_EQ(sys::fstat(received->fds[1].get())->st_ino, sys::fstat(ends.other.get())->st_ino);
  EXPECT_EQ(received->flags & (MSG_TRUNC | MSG_CTRUNC), 0);
}

TEST(Messages, SayWhatDidNotFit) {
  const Ends ends = connected();
  std::string text = "too long";
  const std::array<struct iovec, 1> sent = {{{text.data(), text.size()}}};
  const std::array fds{ends.one.get(), ends.one.get(), ends.one.get(), ends.one.get()};
  ASSERT_TRUE(send_message(ends.one.get(), sent, fds));
  std::array<char, 3> bytes{};
  std::array<struct iovec, 1> parts = {{{bytes.data(), bytes.size()}}};
  const auto received = receive_message(ends.other.get(), parts, 1);
  ASSERT_TRUE(received);
  EXPECT_NE(received->flags & MSG_TRUNC, 0);
  EXPECT_NE(received->flags & MSG_CTRUNC, 0);
  EXPECT_LT(received->fds.size(), fds.size());
  const std::vector<int> many(kMostFds + 1, ends.one.get());
  EXPECT_EQ(send_message(ends.one.get(), sent, many).error().code, EMSGSIZE);
}

TEST(Messages, EndWithTheOtherEnd) {
  Ends ends = connected();
  ends.one.reset();
  char byte = 0;
  std::array<struct iovec, 1> parts = {{{&byte, 1}}};
  EXPECT_EQ(receive_message(ends.other.get(), parts, 0)->size, 0U);
  EXPECT_EQ(send_message(ends.other.get(), parts).error().code, EPIPE);
}

TEST(TakeFds, TakesNoneFromAMessageWithout) {
  const Ends ends = connected();
  ASSERT_TRUE(send(ends.one, {}));
  EXPECT_TRUE(receive(ends.other).empty());
}

// Credentials are a control message as well (SO_PASSCRED), whose bytes are no descriptors.
TEST(TakeFds, TakesDescriptorsAlone) {
  const Ends ends = connected();
  const int on = 1;
  ASSERT_EQ(::setsockopt(ends.other.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
  const std::array fds{ends.one.get()};
  ASSERT_TRUE(send(ends.one, fds));
  EXPECT_EQ(receive(ends.other).size(), 1U);
}

}  // namespace
}  // namespace tidewaiter
