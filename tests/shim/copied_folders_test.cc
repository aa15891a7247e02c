#include "shim/copied_folders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class CopiedFolders : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* each : {"rootfs/work", "volume/below", "other", "changes"})
      fs::create_directories(folder_ / each);
    std::ofstream(folder_ / "volume/file") << "text";
    fs::create_directory_symlink("volume", folder_ / "link");
  }

  // VOLUME in `mounts` is the volume's path, FOLDER that of the folder it is in.
  auto find(std::string mounts, const std::string& layers = "changes") {
    for (const auto& [word, path] :
         {std::pair<std::string, std::string>{"VOLUME", folder_ / "volume"}, {"FOLDER", folder_.path()}}) {
      for (std::size_t at = 0; (at = mounts.find(word)) != std::string::npos;)
        mounts.replace(at, word.size(), path);
    }
    const auto config = spec::parse_json(
        R"({"root": {"path": "rootfs", "readonly": true}, "mounts": )" + mounts + "}", "config.json");
    const std::vector<policy::CopyRule> rules{{.pointer = "/files/copy_on_write/0", .path = "/work"}};
    return find_copied_folders(rules, config.value(), folder_.path(), folder_ / layers);
  }
  std::string mistake(const std::string& mounts, const std::string& layers = "changes") {
    const auto found = find(mounts, layers);
    return found ? "none" : found.error().message();
  }

  testing::TemporaryFolder folder_;
};

constexpr const char* kAtWork = R"({"destination": "/work", "type": "bind", "source": "VOLUME"})";

TEST_F(CopiedFolders, AreTheSourcesOfBindMounts) {
  EXPECT_THAT(*find(std::string("[") + kAtWork + "]"),
              UnorderedElementsAre(Pair("/work", folder_ / "volume")));
  // By its own name, and from the bundle.
  EXPECT_THAT(*find(R"([{"destination": "work/", "type": "bind", "source": "link"}])"),
              UnorderedElementsAre(Pair("/work", folder_ / "volume")));
  // Not made yet.
  EXPECT_EQ(mistake(std::string("[") + kAtWork + "]", "changes/not/yet"), "none");
}

TEST_F(CopiedFolders, AreFolders) {
  EXPECT_THAT(
      mistake(R"([{"destination": "/work", "type": "bind", "source": "VOLUME/file"}])"),
      HasSubstr("/files/copy_on_write/0: the bundle binds a file at \"/work\", and only a folder can be "
                "copied"));
  EXPECT_THAT(mistake(R"([{"destination": "/work", "type": "bind", "source": "VOLUME/absent"}])"),
              HasSubstr("what the bundle binds at \"/work\" is not there"));
}

TEST_F(CopiedFolders, AreSeenNowhereElseWhereTheyCanBeWrittenTo) {
  const auto with = [&](const std::string& other) {
    return mistake(std::string("[") + kAtWork + R"(, {"destination": "/other", "type": "bind", )" + other +
                   "}]");
  };
  EXPECT_EQ(with(R"("source": "FOLDER/other")"), "none");
  EXPECT_EQ(with(R"("source": "VOLUME", "options": ["ro"])"), "none");
  EXPECT_THAT(
      with(R"("source": "VOLUME")"),
      HasSubstr("/files/copy_on_write/0: the bundle shows what is bound at \"/work\" at \"/other\" as well"));
  EXPECT_THAT(with(R"("source": "VOLUME/below")"), HasSubstr("at \"/other\" as well"));
  EXPECT_THAT(with(R"("source": "link")"), HasSubstr("at \"/other\" as well"));
}

TEST_F(CopiedFolders, LieWhereNoContainerSeesTheirCopies) {
  const std::string mounts = std::string("[") + kAtWork + "]";
  EXPECT_THAT(mistake(mounts, "volume/changes"), HasSubstr("is seen in the container, for the bundle binds"));
  EXPECT_THAT(mistake(mounts, "rootfs/changes"), HasSubstr("is seen in the container"));
}

// A file system within it, which an overlay does not show.
TEST_F(CopiedFolders, HaveNothingMountedInThem) {
  const std::string mounts = std::string("[") + kAtWork + "]";
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", (folder_ / "volume/below").c_str(), "tmpfs", 0, nullptr) != 0)
      ::_exit(2);
    ::_exit(mistake(mounts).find("another file system is mounted in what is bound at \"/work\"") !=
                    std::string::npos
                ? 0
                : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "2: a mount takes root";
  EXPECT_EQ(mistake(mounts), "none");
}

}  // namespace
}  // namespace tidewaiter::shim
