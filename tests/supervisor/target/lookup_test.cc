#include "supervisor/target/lookup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "supervisor/target/kernel.h"
#include "tests/oci/base/temporary_folder.h"

// The target is the test itself: what the kernel finds for it, Lookup has to find, too.

namespace tidewaiter::supervisor {
namespace {

namespace fs = std::filesystem;

class LookupTest : public ::testing::Test {
 protected:
  LookupTest() {
    fs::create_directories(path("a/b"));
    std::ofstream(path("a/b/file")) << "x";
    std::ofstream(path("top")) << "x";
    fs::create_symlink("b/file", path("a/relative"));
    fs::create_symlink(path("a/b"), path("absolute"));
    fs::create_symlink("loop", path("loop"));
    fs::create_symlink("../a/../a/b/file", path("a/dots"));
    fs::create_symlink("a/b/", path("slash"));
  }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  Result<FoundFile> find(const std::string& name, bool follow_last = true) {
    return lookup_.find(AT_FDCWD, name, follow_last);
  }
  std::string found(const std::string& name) {
    const auto file = find(name);
    return file ? file->path : ::strerrorname_np(file.error().code);
  }

  testing::TemporaryFolder folder_;
  Target target_{system_kernel(), ::getpid()};
  Lookup lookup_{system_kernel().files(), target_};
};

TEST_F(LookupTest, FindsWhatTheKernelFinds) {
  for (const std::string name : {"a/b/file",
                                 "a/relative",
                                 "absolute/file",
                                 "a/dots",
                                 "slash/file",
                                 "a//b/./file",
                                 "a/b/../b/file",
                                 "a/b/..",
                                 "a",
                                 "a/",
                                 "slash",
                                 "absolute/../../top",
                                 "nothing",
                                 "a/nothing/file",
                                 "top/",
                                 "top/file",
                                 "top/.",
                                 "loop",
                                 "loop/x",
                                 "a/b/file/.."}) {
    SCOPED_TRACE(name);
    const UniqueFd real(::open(path(name).c_str(), O_PATH | O_CLOEXEC));
    const int code = errno;
    const auto file = find(path(name));
    ASSERT_EQ(file.has_value(), real.valid()) << (file ? file->path : file.error().message());
    if (!real.valid()) {
      EXPECT_EQ(file.error().code, code);
      continue;
    }
    EXPECT_TRUE(file->status.same_file(*system_file_calls().status(real.get())));
    EXPECT_EQ(file->path, *sys::readlink("/proc/self/fd/" + std::to_string(real.get())));
  }
}

TEST_F(LookupTest, StopsAtTheRoot) {
  EXPECT_EQ(found("/../../.." + path("top")), path("top"));
  EXPECT_EQ(found("/"), "/");
  EXPECT_EQ(found("/.."), "/");
}

TEST_F(LookupTest, StartsAtADirectoryOfTheTargets) {
  const UniqueFd directory(::open(path("a").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(directory.valid());
  EXPECT_EQ(lookup_.find(directory.get(), "b/file")->path, path("a/b/file"));
  EXPECT_EQ(lookup_.find(directory.get(), "../top")->path, path("top"));
  EXPECT_EQ(lookup_.find(directory.get(), path("top"))->path, path("top"));
  EXPECT_EQ(lookup_.find(12345, "b/file").error().code, EBADF);
  EXPECT_EQ(lookup_.find(12345, path("top"))->path, path("top"));
  EXPECT_EQ(lookup_.find(directory.get(), "").error().code, ENOENT);
  EXPECT_EQ(lookup_.find_descriptor(directory.get())->path, path("a"));
}

TEST_F(LookupTest, FollowsTheLastLinkOnlyWhenAsked) {
  EXPECT_EQ(find(path("a/relative"), false).error().code, ELOOP);
  EXPECT_EQ(find(path("absolute/file"), false)->path, path("a/b/file"));
}

TEST_F(LookupTest, GoesThroughProcAsTheTarget) {
  const UniqueFd file(::open(path("top").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  const std::string number = std::to_string(file.get());
  const std::string self = *sys::readlink("/proc/self/exe");
  EXPECT_EQ(found("/proc/self/fd/" + number), path("top"));
  EXPECT_EQ(found("/dev/fd/" + number), path("top"));
  EXPECT_EQ(found("/proc/thread-self/fd/" + number), path("top"));
  EXPECT_EQ(found("/proc/" + std::to_string(::getpid()) + "/fd/" + number), path("top"));
  EXPECT_EQ(found("/proc/self/exe"), self);
  EXPECT_EQ(found("/proc/self/root" + path("top")), path("top"));
  EXPECT_EQ(found("/proc/self/cwd"), *sys::realpath("."));
  EXPECT_EQ(found("/proc/self/fd/12345"), "ENOENT");
  EXPECT_EQ(find("/proc/self/exe", false).error().code, ELOOP);
}

TEST_F(LookupTest, ReadsOnlyWhatSomebodyMayExecute) {
  const UniqueFd file(::open(path("top").c_str(), O_PATH | O_CLOEXEC));
  EXPECT_EQ(system_file_calls().first_bytes(file.get(), 8).error().code, EACCES);
  ASSERT_EQ(::chmod(path("top").c_str(), 0711), 0);
  EXPECT_EQ(system_file_calls().first_bytes(file.get(), 8).value(), "x");
  const UniqueFd folder(::open(path("a").c_str(), O_PATH | O_CLOEXEC));
  EXPECT_EQ(system_file_calls().first_bytes(folder.get(), 8).error().code, EACCES);
  const UniqueFd special(::open("/proc/self/status", O_PATH | O_CLOEXEC));
  EXPECT_EQ(system_file_calls().first_bytes(special.get(), 8).error().code, EACCES);
}

TEST_F(LookupTest, NamesWhatHasNoName) {
  const UniqueFd file(::open(path("top").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::unlink(path("top").c_str()), 0);
  EXPECT_EQ(lookup_.find_descriptor(file.get())->path, path("top") + " (deleted)");
  const UniqueFd memory(::memfd_create("x", MFD_CLOEXEC));
  EXPECT_EQ(lookup_.find_descriptor(memory.get())->path, "/memfd:x (deleted)");
}

TEST_F(LookupTest, BoundsWhatLinksAdd) {
  std::string target(4000, '/');
  target += "x";
  fs::create_symlink(target, path("slashes"));
  EXPECT_EQ(found(path("slashes")), "ENOENT");
  fs::create_symlink(path("many0"), path("many"));
  for (int i = 0; i < 45; ++i) {
    fs::create_symlink("many" + std::to_string(i + 1), path("many" + std::to_string(i)));
  }
  EXPECT_EQ(found(path("many")), "ELOOP");
  EXPECT_EQ(found(path("many10")), "ENOENT");
}

// tidewaiter-init is known by what stat(2) said of it.
TEST_F(LookupTest, NumbersDevicesAndInodesAsStatDoes) {
  struct stat expected {};
  ASSERT_EQ(::stat(path("top").c_str(), &expected), 0);
  const auto found = find(path("top"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->status.device, expected.st_dev);
  EXPECT_EQ(found->status.inode, expected.st_ino);
}

}  // namespace
}  // namespace tidewaiter::supervisor
