#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "oci/base/system.h"
#include "shim/copies/commit_changes.h"
#include "shim/copies/list_changes.h"
#include "tests/oci/base/temporary_folder.h"

// What an overlay's upper layer comes to. The kernel is the reference: the layers are made by a mount of its
// own, and what is committed has to be what the mount showed.

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Layer kTrusted{false};

void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// All that a tree holds, a line per file: what it is, whose, since when, and what is in it.
std::vector<std::string> snapshot(const fs::path& root) {
  std::vector<std::string> lines;
  const auto add = [&](const fs::path& path) {
    struct stat status {};
    ASSERT_EQ(::lstat(path.c_str(), &status), 0);
    std::string line = path == root ? "/" : "/" + path.lexically_relative(root).string();
    line += " " + kind_of(status) + " " + std::to_string(status.st_mode & 07777U) + " " +
            std::to_string(status.st_uid) + ":" + std::to_string(status.st_gid);
    // The time of a folder is that of the last change in it, and a copy is changed when it is made.
    if (!S_ISDIR(status.st_mode))
      line += " " + std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec);
    if (S_ISREG(status.st_mode)) line += " " + std::to_string(status.st_nlink) + " " + text_of(path);
    if (S_ISLNK(status.st_mode)) line += " -> " + fs::read_symlink(path).string();
    char value[64];
    const ssize_t size = ::lgetxattr(path.c_str(), "user.note", value, sizeof value);
    if (size >= 0) line += " note=" + std::string(value, static_cast<std::size_t>(size));
    lines.push_back(line);
  };
  add(root);
  for (const auto& entry : fs::recursive_directory_iterator(root)) add(entry.path());
  std::sort(lines.begin(), lines.end());
  return lines;
}

class Copies : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_FAIL() << "an overlay takes root";
    for (const char* each : {"lower", "upper", "work", "merged"}) fs::create_directories(folder_ / each);
    fs::create_directories(lower() / "sub/deep");
    fs::create_directories(lower() / "gone/deep");
    for (const char* each : {"file", "other", "sub/file", "sub/deep/file", "gone/file", "gone/deep/file"})
      write(lower() / each, "lower\n");
    fs::create_symlink("file", lower() / "link");
  }

  [[nodiscard]] fs::path lower() const { return folder_ / "lower"; }
  [[nodiscard]] fs::path upper() const { return folder_ / "upper"; }

  // Does something in the overlay, as a container would, and returns what it then shows.
  std::vector<std::string> in_overlay(const std::function<void(const fs::path&)>& work) {
    const fs::path merged = folder_ / "merged";
    const std::string options = "lowerdir=" + lower().string() + ",upperdir=" + upper().string() +
                                ",workdir=" + (folder_ / "work") +
                                ",redirect_dir=nofollow,metacopy=off,index=off";
    if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0) {
      ADD_FAILURE() << "mount: " << ::strerror(errno);
      return {};
    }
    work(merged);
    auto shown = snapshot(merged);
    EXPECT_EQ(::umount(merged.c_str()), 0);
    return shown;
  }

  std::vector<std::string> listed() {
    std::vector<std::string> lines;
    const Status done = list_changes(
        kTrusted, open_folder(upper()).get(), open_folder(lower()).get(), [&](const ListedChange& each) {
          lines.push_back(in_words(each.change) + " " + each.path + " " + each.kind);
        });
    if (!done) lines.push_back(done.error().message());
    return lines;
  }

  std::string checked() {
    const Status status = check_commit(kTrusted, open_folder(upper()).get());
    return status ? "ok" : status.error().message();
  }

  Status commit(const std::function<void()>& before_step = {}) {
    const UniqueFd from = open_folder(upper());
    const UniqueFd to = open_folder(lower());
    return commit_changes({kTrusted, from.get(), to.get(), "0123", before_step});
  }

  static UniqueFd open_folder(const fs::path& path) { return *sys::open(path, O_RDONLY | O_DIRECTORY); }

  testing::TemporaryFolder folder_;
};

// One of each.
void change_everything(const fs::path& work) {
  write(work / "new", "new\n");
  ASSERT_EQ(::chown((work / "new").c_str(), 12, 34), 0);
  ASSERT_EQ(::chmod((work / "new").c_str(), 0640), 0);
  fs::create_hard_link(work / "new", work / "same");
  fs::create_directories(work / "made/deep");
  fs::create_hard_link(work / "new", work / "made/same");
  ASSERT_EQ(::chown((work / "made").c_str(), 56, 78), 0);
  ASSERT_EQ(::chmod((work / "made").c_str(), 02770), 0);
  write(work / "made/deep/file", "");
  write(work / "file", "changed\n");
  ASSERT_EQ(::chmod((work / "other").c_str(), 0600), 0);
  fs::remove(work / "sub/file");
  fs::remove_all(work / "gone");
  fs::create_directories(work / "gone/new");  // hides what was in it
  write(work / "gone/deep", "a file now\n");
  fs::remove_all(work / "sub/deep");
  fs::create_symlink("/etc/shadow", work / "sub/deep");
  fs::remove(work / "link");
  fs::create_directories(work / "link");
  ASSERT_EQ(::mkfifo((work / "fifo").c_str(), 0600), 0);
  fs::create_symlink("nowhere", work / "dangling");
  ASSERT_EQ(::setxattr((work / "new").c_str(), "user.note", "n", 1, 0), 0);
  ASSERT_EQ(::setxattr((work / "sub").c_str(), "user.note", "s", 1, 0), 0);
  // A file that says it is larger than any disk.
  const UniqueFd sparse(::open((work / "sparse").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::ftruncate(sparse.get(), 4096), 0);
}

TEST_F(Copies, AreListed) {
  in_overlay(change_everything);
  EXPECT_THAT(listed(),
              ElementsAre("added /dangling link", "added /fifo fifo", "modified /file file",
                          "deleted /gone/deep folder", "added /gone/deep file", "deleted /gone/file file",
                          "added /gone/new folder", "deleted /link link", "added /link folder",
                          "added /made folder", "added /made/deep folder", "added /made/deep/file file",
                          "added /made/same file", "added /new file", "modified /other file",
                          "added /same file", "added /sparse file", "modified /sub folder",
                          "deleted /sub/deep folder", "added /sub/deep link", "deleted /sub/file file"));
}

TEST_F(Copies, AreNoneWhereNothingWasChanged) {
  in_overlay([](const fs::path& work) {
    const UniqueFd opened(::open((work / "file").c_str(), O_RDWR | O_CLOEXEC));
    write(work / "passing", "");
    fs::remove(work / "passing");
  });
  EXPECT_TRUE(fs::exists(upper() / "file"));
  EXPECT_THAT(listed(), IsEmpty());
}

// Whoever sets the time back to hide a change does not.
TEST_F(Copies, AreToldByTheirBytes) {
  in_overlay([](const fs::path& work) {
    struct stat before {};
    ASSERT_EQ(::stat((work / "file").c_str(), &before), 0);
    const UniqueFd file(::open((work / "file").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::pwrite(file.get(), "L", 1, 0), 1);
    const timespec times[] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(::futimens(file.get(), times), 0);
  });
  EXPECT_THAT(listed(), ElementsAre("modified /file file"));
}

TEST_F(Copies, AreCommittedAsTheyWereShown) {
  const auto shown = in_overlay(change_everything);
  ASSERT_EQ(checked(), "ok");
  ASSERT_NE(snapshot(lower()), shown);
  const Status done = commit();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(snapshot(lower()), shown);
  EXPECT_THAT(listed(), IsEmpty());
  // Twice is no more than once.
  ASSERT_TRUE(commit());
  EXPECT_EQ(snapshot(lower()), shown);
}

// The process is killed before each of its steps in turn, and the next one goes on.
TEST_F(Copies, AreCommittedWhereverItCameToAnEnd) {
  const auto shown = in_overlay(change_everything);
  fs::copy(lower(), folder_ / "kept", fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  int deaths = 0;
  for (int survives = 0;; ++survives) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      int steps = 0;
      const Status done = commit([&] {
        if (steps++ == survives) ::_exit(9);
      });
      ::_exit(done ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 0) break;
    ASSERT_EQ(WEXITSTATUS(status), 9) << "step " << survives;
    ++deaths;
    const Status done = commit();
    ASSERT_TRUE(done) << "after step " << survives << ": " << done.error().message();
    ASSERT_EQ(snapshot(lower()), shown) << "after step " << survives;
    // From the beginning again.
    fs::remove_all(lower());
    fs::copy(folder_ / "kept", lower(), fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  }
  EXPECT_GT(deaths, 30);
}

TEST_F(Copies, LeaveWhatOthersHaveChangedMeanwhile) {
  in_overlay([](const fs::path& work) {
    write(work / "file", "container\n");
    fs::remove_all(work / "gone");
  });
  write(lower() / "other", "host\n");
  write(lower() / "file", "host\n");
  write(lower() / "sub/new", "host\n");
  write(lower() / "gone/new", "host\n");
  ASSERT_TRUE(commit());
  EXPECT_EQ(text_of(lower() / "other"), "host\n");
  EXPECT_EQ(text_of(lower() / "sub/new"), "host\n");
  EXPECT_EQ(text_of(lower() / "file"), "container\n");
  EXPECT_FALSE(fs::exists(lower() / "gone"));
}

// A link in the folder, or in the layer, leads nobody out of it.
TEST_F(Copies, NeverLeaveTheFolder) {
  fs::create_directories(folder_ / "outside");
  write(folder_ / "outside/file", "outside\n");
  in_overlay([](const fs::path& work) {
    write(work / "sub/file", "container\n");
    write(work / "sub/deep/file", "container\n");
  });
  // Somebody on the host puts links in their place.
  fs::remove_all(lower() / "sub");
  fs::create_directory_symlink(folder_ / "outside", lower() / "sub");
  ASSERT_TRUE(commit());
  EXPECT_EQ(text_of(folder_ / "outside/file"), "outside\n");
  EXPECT_FALSE(fs::exists(folder_ / "outside/deep"));
  EXPECT_FALSE(fs::is_symlink(lower() / "sub"));
  EXPECT_EQ(text_of(lower() / "sub/file"), "container\n");

  fs::remove(lower() / "sub/file");
  fs::create_symlink(folder_ / "outside/file", lower() / "sub/file");
  ASSERT_TRUE(commit());
  EXPECT_EQ(text_of(folder_ / "outside/file"), "outside\n");
}

// Removing what the container removed does not follow links either.
TEST_F(Copies, DeleteLinksAndNotWhatTheyLeadTo) {
  fs::create_directories(folder_ / "outside");
  write(folder_ / "outside/file", "outside\n");
  in_overlay([](const fs::path& work) { fs::remove_all(work / "gone"); });
  fs::create_directory_symlink(folder_ / "outside", lower() / "gone/out");
  ASSERT_TRUE(commit());
  EXPECT_FALSE(fs::exists(lower() / "gone"));
  EXPECT_EQ(text_of(folder_ / "outside/file"), "outside\n");
}

TEST_F(Copies, AreNotCommittedWhereTheyGiveRights) {
  in_overlay([](const fs::path& work) {
    write(work / "tool", "x");
    write(work / "file", "x");
  });
  EXPECT_EQ(checked(), "ok");
  const fs::path tool = upper() / "tool";
  ASSERT_EQ(::chmod(tool.c_str(), 04755), 0);
  EXPECT_THAT(checked(), HasSubstr("/tool: is a set-user-ID file"));
  ASSERT_EQ(::chmod(tool.c_str(), 02755), 0);
  EXPECT_THAT(checked(), HasSubstr("/tool: is a set-group-ID file"));
  ASSERT_EQ(::chmod(tool.c_str(), 02644), 0);  // no program
  EXPECT_EQ(checked(), "ok");
  const unsigned char capability[] = {1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  ASSERT_EQ(::setxattr(tool.c_str(), "security.capability", capability, sizeof capability, 0), 0);
  EXPECT_THAT(checked(), HasSubstr("/tool: is a file with capabilities"));
  fs::remove(tool);
  fs::create_directories(upper() / "made/deep");
  ASSERT_EQ(::mknod((upper() / "made/deep/null").c_str(), S_IFCHR | 0600, makedev(1, 3)), 0);
  EXPECT_THAT(checked(), HasSubstr("/made/deep/null: is a device file"));
}

// What another overlay may have said of a file: that its bytes are elsewhere, or that it was moved.
TEST_F(Copies, AreNotCommittedWhereTheLayerIsNotWhatItLooksLike) {
  in_overlay([](const fs::path& work) {
    write(work / "new", "x");
    fs::create_directories(work / "made");
  });
  EXPECT_EQ(checked(), "ok");
  ASSERT_EQ(::setxattr((upper() / "new").c_str(), "trusted.overlay.metacopy", "", 0, 0), 0);
  EXPECT_THAT(checked(), HasSubstr("/new: has the extended attribute trusted.overlay.metacopy"));
  fs::remove(upper() / "new");
  ASSERT_EQ(::setxattr((upper() / "made").c_str(), "trusted.overlay.opaque", "x", 1, 0), 0);
  EXPECT_THAT(checked(),
              HasSubstr("/made: is marked for the overlay in a way that this version does not know"));
}

TEST_F(Copies, AreRemovedHoweverDeep) {
  constexpr int kDepth = 3000;
  UniqueFd at = open_folder(upper());
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0700), 0);
    at = *sys::openat(at.get(), "d", O_RDONLY | O_DIRECTORY);
  }
  at.reset();
  EXPECT_THAT(checked(), HasSubstr("nested deeper than 256 folders"));
  // What removes a tree as deep as it is does not.
  EXPECT_FALSE(sys::remove_tree(upper()));
  const Status removed = remove_layer(upper());
  EXPECT_TRUE(removed) << removed.error().message();
  EXPECT_FALSE(fs::exists(upper()));
  EXPECT_TRUE(remove_layer(upper()));
}

}  // namespace
}  // namespace tidewaiter::shim
