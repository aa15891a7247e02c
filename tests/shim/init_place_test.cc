#include "shim/init_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/oci/base/temporary_folder.h"
#include "tests/shim/own_root.h"

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kInDev = "/dev/.tidewaiter-init";
constexpr const char* kInRoot = "/.tidewaiter-init";

class InitPlace : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_ / "rootfs"); }

  [[nodiscard]] std::string mistake(const char* place, const std::string& more = "") const {
    const auto config = spec::parse_json(R"({"root": {"path": "rootfs"})" + more + "}", "config.json");
    const Status checked = check_init_place(config.value(), folder_.path(), place);
    return checked ? "" : checked.error().message();
  }

  testing::TemporaryFolder folder_;
};

TEST_F(InitPlace, IsGoodWhereNothingOrFoldersAreOnTheWay) {
  EXPECT_EQ(mistake(kInDev), "");
  EXPECT_EQ(mistake(kInRoot), "");
  fs::create_directories(folder_ / "rootfs/dev");
  std::ofstream(folder_ / "rootfs/.tidewaiter-init") << "left by an earlier container";
  EXPECT_EQ(mistake(kInDev), "");
  EXPECT_EQ(mistake(kInRoot, R"(, "mounts": [{"destination": "/dev", "type": "tmpfs"}, 5])"), "");
}

TEST_F(InitPlace, IsNoneWhereTheImageHasALink) {
  fs::create_directory_symlink("home/dev", folder_ / "rootfs/dev");
  EXPECT_THAT(mistake(kInDev), HasSubstr(R"(root file system "/dev" is a symbolic link)"));
  EXPECT_EQ(mistake(kInRoot), "");
  fs::create_symlink("dev/file", folder_ / "rootfs/.tidewaiter-init");
  EXPECT_THAT(mistake(kInRoot), HasSubstr(R"("/.tidewaiter-init" is a symbolic link)"));
}

TEST_F(InitPlace, IsNotKnownUnderAMountOverTheRoot) {
  for (const char* root : {"/", "", "//", "/a/.."}) {
    EXPECT_THAT(mistake(kInDev, R"(, "mounts": [{"destination": "/proc"}, {"destination": ")" +
                                    std::string(root) + R"("}])"),
                HasSubstr("/mounts/1: is mounted over the container's root"))
        << root;
  }
}

TEST_F(InitPlace, IsTheRuntimesToComplainOfWithoutARoot) {
  fs::remove(folder_ / "rootfs");
  EXPECT_EQ(mistake(kInDev), "");
  EXPECT_TRUE(check_init_place(spec::Json::object(), folder_.path(), kInDev));
}

// What is bound, and what else may be at its place.
class BoundInit : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::string& each : {init_, other_}) std::ofstream(each) << "text";
    fs::create_directories(root_);
    const auto status = sys::stat(init_);
    ASSERT_TRUE(status);
    file_ = {status->st_dev, status->st_ino};
  }

  [[nodiscard]] std::string mistake(const std::function<bool()>& furnish, const char* place = kInRoot) const {
    const OwnRoot process(root_, furnish);
    const Status checked = check_init_bound(process.pid(), place, file_);
    return checked ? "" : checked.error().message();
  }

  testing::TemporaryFolder folder_;
  std::string init_ = folder_ / "init";
  std::string other_ = folder_ / "other";
  std::string root_ = folder_ / "root";
  container::Record::File file_;
};

TEST_F(BoundInit, IsFound) {
  EXPECT_EQ(mistake([&] { return OwnRoot::bind(init_.c_str(), ".tidewaiter-init"); }), "");
  const auto in_dev = [&] {
    return ::mkdir("dev", 0755) == 0 && ::mount("tmpfs", "dev", "tmpfs", 0, nullptr) == 0 &&
           OwnRoot::bind(init_.c_str(), "dev/.tidewaiter-init");
  };
  EXPECT_EQ(mistake(in_dev, kInDev), "");
}

TEST_F(BoundInit, IsFoundThoughTheProcessHasAnotherRoot) {
  const auto chroots = [&] {
    return OwnRoot::bind(init_.c_str(), ".tidewaiter-init") && ::mkdir("jail", 0755) == 0;
  };
  const OwnRoot process(root_, chroots, [] {
    if (::chroot("/jail") != 0) ::_exit(1);
  });
  ASSERT_FALSE(fs::exists("/proc/" + std::to_string(process.pid()) + "/root/.tidewaiter-init"));
  EXPECT_TRUE(check_init_bound(process.pid(), kInRoot, file_));
}

TEST_F(BoundInit, IsNoOtherFile) {
  EXPECT_THAT(mistake([&] { return OwnRoot::bind(other_.c_str(), ".tidewaiter-init"); }),
              HasSubstr("is no longer the tidewaiter-init that was bound there"));
}

TEST_F(BoundInit, IsNotBehindALink) {
  // Who may remove the link puts another file in its place.
  const auto by_folder = [&] {
    return ::mkdir("home", 0755) == 0 && ::symlink("home", "dev") == 0 &&
           OwnRoot::bind(init_.c_str(), "home/.tidewaiter-init");
  };
  EXPECT_THAT(mistake(by_folder, kInDev), HasSubstr("a link on the way to it: Too many levels"));
  const auto by_file = [&] {
    return OwnRoot::bind(init_.c_str(), "bound") && ::symlink("bound", ".tidewaiter-init") == 0;
  };
  EXPECT_THAT(mistake(by_file), HasSubstr("a link on the way to it: Too many levels"));
}

TEST_F(BoundInit, IsNoFileThatIsMissing) {
  EXPECT_THAT(mistake([] { return true; }), HasSubstr("No such file or directory"));
}

// The file itself, and yet nothing that would stay: as where a folder of the host's is the container's root.
TEST_F(BoundInit, IsAMount) {
  const auto whole_folder = [&] {
    return ::mkdir("host", 0755) == 0 &&
           ::mount(folder_.path().c_str(), "host", nullptr, MS_BIND, nullptr) == 0;
  };
  EXPECT_THAT(mistake(whole_folder, "/host/init"), HasSubstr("is no longer the tidewaiter-init"));
}

TEST_F(BoundInit, IsNotLookedForInAProcessThatIsGone) {
  EXPECT_FALSE(check_init_bound(0x3fffffff, kInRoot, file_));
}

}  // namespace
}  // namespace tidewaiter::shim
