#include "supervisor/node/policy_folder.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <filesystem>
#include <fstream>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::supervisor {
namespace {

using testing::TemporaryFolder;

void write(const std::string& path) { std::ofstream(path) << "{}"; }

class PolicyFolderTest : public ::testing::Test {
 protected:
  PolicyFolderTest() : path_(folder_ / "policies") {}

  // Whether anything has been told since it was asked last.
  static bool changed(PolicyFolder& folder) {
    struct pollfd waiting = {folder.changed_fd(), POLLIN, 0};
    const bool told = ::poll(&waiting, 1, 0) == 1;
    EXPECT_TRUE(folder.look());
    return told;
  }

  TemporaryFolder folder_;
  std::string path_;
};

TEST_F(PolicyFolderTest, TellsOfFilesThatAreWrittenOrTakeOthersPlaces) {
  std::filesystem::create_directory(path_);
  auto watched = PolicyFolder::watch(path_);
  ASSERT_TRUE(watched) << watched.error().message();
  EXPECT_FALSE(changed(*watched));
  write(path_ + "/web.json");
  EXPECT_TRUE(changed(*watched));
  EXPECT_FALSE(changed(*watched));
  write(folder_ / "new.json");
  (void)changed(*watched);
  std::filesystem::rename(folder_ / "new.json", path_ + "/web.json");
  EXPECT_TRUE(changed(*watched));
  std::filesystem::create_symlink("web.json", path_ + "/link.json");
  EXPECT_TRUE(changed(*watched));
}

TEST_F(PolicyFolderTest, NeedNotBeThereYet) {
  auto watched = PolicyFolder::watch(path_);
  ASSERT_TRUE(watched) << watched.error().message();
  std::filesystem::create_directory(path_);
  EXPECT_TRUE(changed(*watched));
  write(path_ + "/web.json");
  EXPECT_TRUE(changed(*watched));
}

TEST_F(PolicyFolderTest, FollowsItsPathToAnotherFolder) {
  std::filesystem::create_directory(path_);
  auto watched = PolicyFolder::watch(path_);
  ASSERT_TRUE(watched) << watched.error().message();
  std::filesystem::create_directory(folder_ / "new");
  std::filesystem::rename(path_, folder_ / "old");
  std::filesystem::rename(folder_ / "new", path_);
  EXPECT_TRUE(changed(*watched));
  write(path_ + "/web.json");
  EXPECT_TRUE(changed(*watched));
}

}  // namespace
}  // namespace tidewaiter::supervisor
