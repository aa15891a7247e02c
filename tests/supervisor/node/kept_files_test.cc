#include "supervisor/node/kept_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::supervisor {
namespace {

using testing::TemporaryFolder;

class KeptFilesTest : public ::testing::Test {
 protected:
  KeptFilesTest() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const std::string path = folder_ / "notify";
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (::bind(socket_.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address) != 0) {
      std::abort();
    }
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    manager_ = std::move(*ServiceManager::from_environment());
  }

  // Its text; empty: nothing more has been said.
  std::string hear() {
    std::array<char, 512> text{};
    const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), MSG_DONTWAIT);
    return {text.data(), size < 0 ? 0 : static_cast<std::size_t>(size)};
  }

  TemporaryFolder folder_;
  UniqueFd socket_;
  ServiceManager manager_;
};

TEST_F(KeptFilesTest, DropsAllThatAContainerHasHadKept) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  KeptFiles files(manager_, 7);
  // Names that are in memory of their own, and not.
  const std::string long_name(40, 'k');
  files.keep(long_name, null.get());
  files.keep("slots", null.get());
  files.keep("gone", null.get());
  files.drop("gone");
  for (int i = 0; i < 4; ++i) EXPECT_NE(hear(), "");
  files.drop_all();
  EXPECT_EQ(hear(), "FDSTOREREMOVE=1\nFDNAME=c7." + long_name);
  EXPECT_EQ(hear(), "FDSTOREREMOVE=1\nFDNAME=c7.slots");
  EXPECT_EQ(hear(), "");
}

TEST(KeptName, IsSplit) {
  const auto file = split_kept_name("c12.k3.socket");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->kind, 'c');
  EXPECT_EQ(file->number, 12U);
  EXPECT_EQ(file->rest, "k3.socket");
  const auto process = split_kept_name("p3");
  ASSERT_TRUE(process);
  EXPECT_EQ(process->kind, 'p');
  EXPECT_EQ(process->number, 3U);
  EXPECT_EQ(process->rest, "");
  for (const char* other : {"", "c", "c.", "c1", "c1x", "p1.x", "p-1", "requests", "p99999999999999999999"}) {
    EXPECT_FALSE(split_kept_name(other)) << other;
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor
