#include "shim/denied_paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A bundle with its root file system, and a volume.
class DeniedPaths : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* each : {"rootfs/etc", "rootfs/srv", "volume/below"})
      fs::create_directories(folder_ / each);
    for (const char* each : {"rootfs/etc/shadow", "volume/key", "volume/below/key"})
      std::ofstream(folder_ / each) << "text";
  }

  // `mounts`: of the bundle; VOLUME in it is the volume's path.
  Result<std::set<std::string, std::less<>>> find(const std::vector<std::string>& paths,
                                                  std::string mounts = "[]") {
    for (std::size_t at = 0; (at = mounts.find("VOLUME")) != std::string::npos;)
      mounts.replace(at, 6, folder_ / "volume");
    const auto config =
        spec::parse_json(R"({"root": {"path": "rootfs"}, "mounts": )" + mounts + "}", "config.json");
    std::vector<policy::FileRule> rules;
    for (const std::string& path : paths)
      rules.push_back({"/files/deny/" + std::to_string(rules.size()), path});
    return find_denied_files(rules, config.value(), folder_.path());
  }
  std::string mistake(const std::vector<std::string>& paths, const std::string& mounts = "[]") {
    const auto found = find(paths, mounts);
    return found ? "none" : found.error().message();
  }

  testing::TemporaryFolder folder_;
};

constexpr const char* kAtSrv = R"([{"destination": "/srv", "type": "bind", "source": "VOLUME"}])";

TEST_F(DeniedPaths, TellsWhetherThereAreSnapshots) {
  const auto at_srv = [this](const std::string& mount) {
    return spec::parse_json(
               R"({"root": {"path": "rootfs"}, "mounts": [{"destination": "/srv", )" + mount + "}]}",
               "config.json")
        .value();
  };
  const std::string volume = folder_ / "volume";
  const auto bind = at_srv(R"("type": "bind", "source": ")" + volume + "\"");
  constexpr std::uint64_t kOverlay = 0x794c7630;
  constexpr std::uint64_t kBtrfs = 0x9123683e;
  const auto has = [&](const spec::Json& config, const std::string& where, Result<std::uint64_t> what) {
    return has_snapshots(config, folder_.path(),
                         [&](const std::string& path) -> Result<std::uint64_t> {
                           return path == where ? what : Result<std::uint64_t>(kOverlay);
                         })
        .value();
  };
  EXPECT_FALSE(has(bind, volume, kOverlay));
  EXPECT_TRUE(has(bind, volume, kBtrfs));
  EXPECT_TRUE(has(bind, volume, 0xca451a4e));
  EXPECT_TRUE(has(bind, folder_ / "rootfs", kBtrfs));
  EXPECT_TRUE(has(bind, volume, fail(EACCES, ""))) << "it does not say";
  EXPECT_TRUE(has(at_srv(R"("type": "btrfs", "source": "/dev/sdb1")"), "", kBtrfs));
  EXPECT_FALSE(has(at_srv(R"("type": "tmpfs", "source": "tmpfs")"), "", kBtrfs));
  EXPECT_FALSE(*has_snapshots(spec::parse_json("{}", "config.json").value(), folder_.path()))
      << "the runtime refuses it";
}

TEST_F(DeniedPaths, TellsFilesFromFoldersAndFromWhatIsNotThere) {
  EXPECT_THAT(*find({"/etc/shadow", "/etc", "/absent", "/absent/below"}), ElementsAre("/etc/shadow"));
  EXPECT_THAT(*find({"/srv/key", "/srv/below", "/srv/new"}, kAtSrv), ElementsAre("/srv/key"));
  EXPECT_THAT(*find({"/srv", "/srv/below/key"}, kAtSrv), ElementsAre("/srv/below/key"));
  // What is mounted there is the file itself.
  EXPECT_THAT(*find({"/srv/x"}, R"([{"destination": "/srv/x", "type": "bind", "source": "VOLUME/key"}])"),
              ElementsAre("/srv/x"));
  // The last mount is the one that is seen.
  EXPECT_THAT(*find({"/srv/key"}, R"([{"destination": "/srv", "type": "bind", "source": "VOLUME"},
                                      {"destination": "/srv", "type": "tmpfs"}])"),
              IsEmpty());
}

TEST_F(DeniedPaths, RefusesLinksOnTheWay) {
  fs::create_symlink("key", folder_ / "volume/link");
  fs::create_directory_symlink("below", folder_ / "volume/folder");
  for (const char* path : {"/srv/link", "/srv/folder/key", "/srv/folder/absent"})
    EXPECT_THAT(mistake({path}, kAtSrv), HasSubstr("leads over a symbolic link")) << path;
  EXPECT_THAT(mistake({"/srv/key/x"}, kAtSrv), HasSubstr("/files/deny/0: Not a directory"));
}

TEST_F(DeniedPaths, RefusesFilesWithOtherNames) {
  EXPECT_EQ(mistake({"/srv/key"}, kAtSrv), "none");
  fs::create_hard_link(folder_ / "volume/key", folder_ / "volume/other");
  EXPECT_THAT(mistake({"/srv/key"}, kAtSrv), HasSubstr("is one of 2 names of its file (hard links)"));
}

TEST_F(DeniedPaths, RefusesFileSystemsOfTheKernel) {
  EXPECT_THAT(mistake({"/proc/kcore"}, R"([{"destination": "/proc", "type": "proc"}])"),
              HasSubstr("a file system of the kernel's own (proc)"));
  EXPECT_EQ(mistake({"/tmp/x"}, R"([{"destination": "/tmp", "type": "tmpfs"}])"), "none");
}

// A mount covers a place, and the same file at another is another place.
TEST_F(DeniedPaths, RefusesWhatIsSeenElsewhere) {
  const std::string twice = R"([{"destination": "/srv", "type": "bind", "source": "VOLUME"},
                                {"destination": "/mnt", "type": "bind", "source": "VOLUME/below/.."}])";
  EXPECT_THAT(mistake({"/srv/key"}, twice),
              HasSubstr("/files/deny/0: what it names is seen at \"/mnt/key\" as well: deny that, too"));
  EXPECT_EQ(mistake({"/srv/key", "/mnt/key"}, twice), "none");
  EXPECT_THAT(mistake({"/srv/key", "/mnt"}, twice),
              HasSubstr("/files/deny/1: what it names is seen at \"/srv\""));
  EXPECT_EQ(mistake({"/srv", "/mnt"}, twice), "none");
  EXPECT_THAT(mistake({"/srv/new"}, twice), HasSubstr("\"/mnt/new\""));

  const std::string part = R"([{"destination": "/srv", "type": "bind", "source": "VOLUME"},
                               {"destination": "/mnt", "type": "bind", "source": "VOLUME/below"}])";
  EXPECT_EQ(mistake({"/srv/key"}, part), "none");
  EXPECT_THAT(mistake({"/srv/below/key"}, part), HasSubstr("\"/mnt/key\""));
  EXPECT_THAT(mistake({"/srv/below"}, part), HasSubstr("\"/mnt\""));
  EXPECT_THAT(mistake({"/mnt/key"}, part), HasSubstr("\"/srv/below/key\""));
  // Hidden again.
  const std::string hidden = R"([{"destination": "/srv", "type": "bind", "source": "VOLUME"},
                                 {"destination": "/mnt", "type": "bind", "source": "VOLUME"},
                                 {"destination": "/mnt", "type": "tmpfs"}])";
  EXPECT_EQ(mistake({"/srv/key"}, hidden), "none");
  // The root file system is one more.
  EXPECT_THAT(mistake({"/etc/shadow"}, R"([{"destination": "/srv", "type": "bind", "source": "rootfs"}])"),
              HasSubstr("\"/srv/etc/shadow\""));
}

TEST_F(DeniedPaths, IsAboutABundleWithARoot) {
  fs::remove_all(folder_ / "rootfs");
  EXPECT_THAT(mistake({"/x"}), HasSubstr("/root/path"));
}

TEST(HostMounts, SayWhereAFileIsOnItsFileSystem) {
  const HostMounts mounts(
      "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "22 21 0:5 / /proc rw - proc proc rw\n"
      "30 21 8:2 / /data rw - ext4 /dev/sdb rw\n"
      "31 21 8:2 /inner\\040part /mnt/part rw - ext4 /dev/sdb rw\n"
      "32 21 8:3 / /data/deep rw - ext4 /dev/sdc rw\n"
      "33 21 8:9 / /data rw - ext4 /dev/sdd rw\n"
      "broken\n\n");
  const auto find = [&](const char* path) {
    const HostMounts::Place place = mounts.find(path);
    return place.device + " " + place.path;
  };
  EXPECT_EQ(find("/"), "8:1 /");
  EXPECT_EQ(find("/etc/x"), "8:1 /etc/x");
  EXPECT_EQ(find("/mnt/part/x"), "8:2 /inner part/x");
  EXPECT_EQ(find("/mnt/part"), "8:2 /inner part");
  EXPECT_EQ(find("/mnt/partly"), "8:1 /mnt/partly");
  EXPECT_EQ(find("/data/x"), "8:9 /x") << "the last one";
  EXPECT_EQ(find("/data/deep/x"), "8:3 /x");
  const auto below = mounts.below("/data");
  ASSERT_EQ(below.size(), 1U);
  EXPECT_EQ(below[0].path, "/deep");
  EXPECT_EQ(below[0].shows.device, "8:3");
}

}  // namespace
}  // namespace tidewaiter::shim
