#include "supervisor/worker/folder_watches.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::supervisor {
namespace {

// Whether it was told, and takes note of it.
bool told(const UniqueFd& changed, int patience = 5000) {
  struct pollfd waiting = {changed.get(), POLLIN, 0};
  if (::poll(&waiting, 1, patience) != 1) return false;
  eventfd_t count = 0;
  return ::eventfd_read(changed.get(), &count) == 0;
}

class FolderWatchesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = FolderWatches::start();
    ASSERT_TRUE(started);
    watches_ = *started;
    for (const std::string name : {"a", "b"}) {
      std::filesystem::create_directory(folder_ / name);
      std::ofstream(folder_ / (name + "/file")) << "x";
    }
    a_ = std::move(*sys::eventfd(0, EFD_NONBLOCK));
    b_ = std::move(*sys::eventfd(0, EFD_NONBLOCK));
    ASSERT_TRUE(watches_->add(folder_ / "a", a_.get()));
    ASSERT_TRUE(watches_->add(folder_ / "b", b_.get()));
  }
  void TearDown() override {
    watches_->forget(a_.get());
    watches_->forget(b_.get());
  }

  testing::TemporaryFolder folder_;
  FolderWatches* watches_ = nullptr;  // for as long as the process
  UniqueFd a_;
  UniqueFd b_;
};

TEST_F(FolderWatchesTest, TellsWhoseFolderLostSomething) {
  std::filesystem::remove(folder_ / "b/file");
  EXPECT_TRUE(told(b_));
  EXPECT_FALSE(told(a_, 50));
  std::filesystem::remove_all(folder_ / "a");
  EXPECT_TRUE(told(a_));
}

TEST_F(FolderWatchesTest, WatchesAFolderThatWasMadeAgain) {
  std::filesystem::remove_all(folder_ / "a");
  EXPECT_TRUE(told(a_));
  std::filesystem::create_directory(folder_ / "a");
  std::ofstream(folder_ / "a/file") << "x";
  ASSERT_TRUE(watches_->add(folder_ / "a", a_.get()));
  while (told(a_, 100)) {
  }
  std::filesystem::remove(folder_ / "a/file");
  EXPECT_TRUE(told(a_));
}

TEST_F(FolderWatchesTest, ForgetsOneOfTwoThatWatchTheSame) {
  ASSERT_TRUE(watches_->add(folder_ / "a", b_.get()));
  watches_->forget(a_.get());
  std::filesystem::remove(folder_ / "a/file");
  EXPECT_TRUE(told(b_));
  EXPECT_FALSE(told(a_, 50));
}

TEST_F(FolderWatchesTest, SaysWhatIsNotThere) { EXPECT_FALSE(watches_->add(folder_ / "absent", a_.get())); }

}  // namespace
}  // namespace tidewaiter::supervisor
