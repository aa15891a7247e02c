#include "oci/base/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

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

}  // namespace
}  // namespace tidewaiter
