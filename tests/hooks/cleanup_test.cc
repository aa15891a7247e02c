#include "hooks/cleanup.h"

#include <gmock/gmock.h>
#include <sys/file.h>

#include <filesystem>

#include "oci/container/record.h"
#include "tests/hooks/hook_fixture.h"

namespace tidewaiter::hook {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kState =
    R"({"ociVersion": "1.0.2", "id": "box", "status": "stopped", "pid": 0, "bundle": "/b"})";

class Cleanup : public HookTest {
 protected:
  void SetUp() override {
    HookTest::SetUp();
    fs::create_directory(state_folder_);
    fs::create_symlink(state_folder_, link_);
    container::Record record;
    record.policy_name = "network";
    ASSERT_TRUE(container::write_record(state_folder_, record));
  }

  const std::string state_folder_ = folder_ / "run/hook-0123456789abcdef";
  const std::string link_ = folder_ / "run/box";
};

TEST_F(Cleanup, RemovesWhatADeadAgentLeft) {
  EXPECT_TRUE(cleanup(state_folder_, kState));
  EXPECT_TRUE(state_is_empty());
}

TEST_F(Cleanup, SucceedsWhenTheAgentCleanedUpItself) {
  fs::remove_all(state_folder_);
  fs::remove(link_);
  EXPECT_TRUE(cleanup(state_folder_, kState));
}

TEST_F(Cleanup, RemovesALinkThatLeadsNowhere) {
  fs::remove_all(state_folder_);
  EXPECT_TRUE(cleanup(state_folder_, kState));
  EXPECT_TRUE(state_is_empty());
}

TEST_F(Cleanup, LeavesTheNameOfAnotherContainerAlone) {
  fs::remove(link_);
  fs::create_symlink(folder_ / "run/hook-ffffffffffffffff", link_);
  EXPECT_TRUE(cleanup(state_folder_, kState));
  EXPECT_FALSE(fs::exists(state_folder_));
  EXPECT_TRUE(fs::is_symlink(link_));
}

TEST_F(Cleanup, LeavesALiveAgentToItsWork) {
  const auto lock = sys::open(state_folder_ + "/" + container::Record::kLockName, O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(lock);
  ASSERT_EQ(::flock(lock->get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_TRUE(cleanup(state_folder_, kState));
  EXPECT_TRUE(fs::exists(state_folder_));
  EXPECT_TRUE(fs::is_symlink(link_));
}

TEST_F(Cleanup, RemovesNoOtherFolder) {
  const std::string other = folder_ / "run/precious";
  fs::create_directory(other);
  for (const std::string& folder :
       {other, std::string("hook-0123456789abcdef"), std::string(), state_folder_ + "/."}) {
    const Status cleaned = cleanup(folder, kState);
    ASSERT_FALSE(cleaned) << folder;
    EXPECT_THAT(cleaned.error().message(), HasSubstr("no state folder"));
  }
  EXPECT_TRUE(fs::exists(other));
  EXPECT_TRUE(fs::exists(state_folder_));
}

TEST_F(Cleanup, RemovesTheFolderEvenWhenTheStateIsUnreadable) {
  for (const char* state : {"", "[]", "{}", R"({"id": 7})"}) {
    fs::create_directory(state_folder_);
    EXPECT_FALSE(cleanup(state_folder_, state)) << state;
    EXPECT_FALSE(fs::exists(state_folder_)) << state;
  }
}

}  // namespace
}  // namespace tidewaiter::hook
