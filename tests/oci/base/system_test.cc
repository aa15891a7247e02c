#include "oci/base/system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::sys {
namespace {

using testing::TemporaryFolder;

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Root may do what the permissions of a file forbid, so that some failures need another user.
template <typename Body>
int status_of_ordinary_user(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(99);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Open, ClosesOnExecAndNamesThePath) {
  const TemporaryFolder folder;
  const auto fd = open(folder / "f", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  EXPECT_TRUE(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_EQ(open(folder / "absent", O_RDONLY).error().message(),
            "open " + (folder / "absent") + ": No such file or directory");
}

TEST(Descriptors, AreAllCloseOnExec) {
  const auto both = pipe().value();
  const auto pidfd = pidfd_open(::getpid());
  const auto event = sys::eventfd(3, int{EFD_NONBLOCK});
  ASSERT_TRUE(pidfd);
  ASSERT_TRUE(event);
  for (const int fd : {both.read_end.get(), both.write_end.get(), pidfd->get(), event->get()}) {
    EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC);
  }
  std::uint64_t count = 0;
  EXPECT_EQ(read(event->get(), &count, sizeof count).value(), sizeof count);
  EXPECT_EQ(count, 3U);
  EXPECT_EQ(pidfd_open(-1).error().code, EINVAL);
}

std::atomic<int> interruptions = 0;

TEST(Read, GoesOnAfterASignal) {
  struct sigaction action {};
  action.sa_handler = [](int) { ++interruptions; };  // no SA_RESTART: read(2) fails with EINTR
  struct sigaction before {};
  ::sigaction(SIGUSR1, &action, &before);
  const auto both = pipe().value();
  const pthread_t reader = ::pthread_self();
  const std::string reader_stat = "/proc/self/task/" + std::to_string(::gettid()) + "/stat";
  std::thread writer([&] {
    // "1234 (name) S …": the reader sleeps, and there is nothing else here that it could sleep in.
    while (read_file(reader_stat).value_or("").find(") S ") == std::string::npos) std::this_thread::yield();
    ::pthread_kill(reader, SIGUSR1);
    while (interruptions == 0) std::this_thread::yield();
    EXPECT_TRUE(write_all(both.write_end.get(), "x"));
  });
  char byte = 0;
  const auto count = read(both.read_end.get(), &byte, 1);
  writer.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  ASSERT_TRUE(count) << count.error().message();
  EXPECT_EQ(byte, 'x');
}

TEST(ReadFile, ReadsUpToItsLimitAndNoFurther) {
  const TemporaryFolder folder;
  const std::string data(200'000, 'x');
  ASSERT_TRUE(replace_file(folder / "f", data));
  EXPECT_EQ(read_file(folder / "f").value(), data);
  EXPECT_EQ(read_file(folder / "f", data.size()).value(), data);
  const auto longer = read_file(folder / "f", data.size() - 1);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, EFBIG);
  EXPECT_EQ(read_file(folder / "f", 0).error().code, EFBIG);
  ASSERT_TRUE(replace_file(folder / "empty", ""));
  EXPECT_EQ(read_file(folder / "empty", 0).value(), "");
  EXPECT_EQ(read_file("/dev/zero", 1000).error().code, EFBIG) << "a file without an end";
  EXPECT_EQ(read_file("/proc/self/comm").value().back(), '\n') << "a file that claims a size of 0";
  EXPECT_EQ(read_file(folder.path()).error().code, EISDIR);
}

TEST(WriteAll, WritesMoreThanAPipeHolds) {
  const auto both = pipe().value();
  const std::string data(1'000'000, 'y');
  std::thread writer([&] { EXPECT_TRUE(write_all(both.write_end.get(), data)); });
  std::string got(data.size(), '\0');
  std::size_t size = 0;
  while (size < got.size()) size += read(both.read_end.get(), got.data() + size, got.size() - size).value();
  writer.join();
  EXPECT_EQ(got, data);
}

TEST(Readlink, ReadsTheWholeTarget) {
  const TemporaryFolder folder;
  const std::string target(3000, 't');
  ASSERT_EQ(::symlink(target.c_str(), (folder / "link").c_str()), 0);
  EXPECT_EQ(readlink(folder / "link").value(), target);
  EXPECT_EQ(readlink(folder.path()).error().code, EINVAL);
}

TEST(Replacement, IsNothingUntilItTakesItsPlace) {
  const TemporaryFolder folder;
  const auto names = [&] {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      found.insert(entry.path().filename());
    return found;
  };
  for (const Sync sync : {Sync::kNothing, Sync::kBytes}) {
    ASSERT_TRUE(replace_file(folder / "f", "old"));
    {
      const auto abandoned = Replacement::write(folder / "f", "new", 0600, sync);
      ASSERT_TRUE(abandoned);
      EXPECT_EQ(names().size(), 2U);
      EXPECT_EQ(read_file(folder / "f").value(), "old");
    }
    EXPECT_EQ(names(), std::set<std::string>{"f"});
    auto written = Replacement::write(folder / "f", "new", 0600, sync);
    ASSERT_TRUE(written);
    ASSERT_TRUE(written->take_place());
    EXPECT_EQ(read_file(folder / "f").value(), "new");
    EXPECT_EQ(names(), std::set<std::string>{"f"});
  }
}

TEST(Replacement, TakesTheNameOfOneThatWasLeftBehind) {
  const TemporaryFolder folder;
  ASSERT_TRUE(replace_file(folder / "f", "old"));
  ASSERT_TRUE(replace_file(folder / "other", "not to be written to"));
  ASSERT_EQ(::symlink((folder / "other").c_str(), (folder / "f-new").c_str()), 0);
  auto written = Replacement::write(folder / "f", "new", 0600, Sync::kBytes, "-new");
  ASSERT_TRUE(written);
  EXPECT_EQ(read_file(folder / "f-new").value(), "new");
  ASSERT_TRUE(written->take_place());
  EXPECT_EQ(read_file(folder / "f").value(), "new");
  EXPECT_EQ(read_file(folder / "other").value(), "not to be written to");
  EXPECT_FALSE(std::filesystem::exists(folder / "f-new"));
}

TEST(ReplaceFile, GivesANewFileItsModeWhateverTheUmask) {
  const TemporaryFolder folder;
  const mode_t before = ::umask(0777);
  const Status made = replace_file(folder / "f", "data", 0640);
  ::umask(before);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(stat(folder / "f")->st_mode & 07777U, 0640U);
  EXPECT_EQ(read_file(folder / "f").value(), "data");
}

TEST(ReplaceFile, KeepsOwnerAndModeAndLeavesNothingBeside) {
  const TemporaryFolder folder;
  ASSERT_TRUE(replace_file(folder / "f", "old"));
  const uid_t owner = ::geteuid() == 0 ? 1234 : ::geteuid();
  const gid_t group = ::geteuid() == 0 ? 4321 : ::getegid();
  ASSERT_EQ(::chown((folder / "f").c_str(), owner, group), 0);
  ASSERT_EQ(::chmod((folder / "f").c_str(), 0754), 0);
  const ino_t inode = stat(folder / "f")->st_ino;
  const Status replaced = replace_file(folder / "f", "new", 0600);
  ASSERT_TRUE(replaced) << replaced.error().message();
  const auto after = stat(folder / "f");
  EXPECT_EQ(after->st_mode & 07777U, 0754U);
  EXPECT_EQ(after->st_uid, owner);
  EXPECT_EQ(after->st_gid, group);
  EXPECT_NE(after->st_ino, inode) << "a reader of the old file keeps it whole";
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"f"});
}

TEST(ReplaceFile, ReplacesWhatALinkPointsToAndKeepsTheLink) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_directories(folder / "real", 0700));
  ASSERT_TRUE(replace_file(folder / "real/f", "old"));
  ASSERT_EQ(::symlink("real/f", (folder / "relative").c_str()), 0);
  ASSERT_EQ(::symlink((folder / "relative").c_str(), (folder / "chain").c_str()), 0);
  ASSERT_TRUE(replace_file(folder / "chain", "new"));
  EXPECT_EQ(read_file(folder / "real/f").value(), "new");
  EXPECT_EQ(readlink(folder / "relative").value(), "real/f");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "chain"));
  EXPECT_EQ(names_in(folder / "real"), std::vector<std::string>{"f"});

  ASSERT_EQ(::symlink("loop", (folder / "loop").c_str()), 0);
  EXPECT_EQ(replace_file(folder / "loop", "x").error().code, ELOOP);
  ASSERT_EQ(::symlink("real/made", (folder / "dangling").c_str()), 0);
  ASSERT_TRUE(replace_file(folder / "dangling", "made"));
  EXPECT_EQ(read_file(folder / "real/made").value(), "made");
}

TEST(ReplaceFile, LeavesTheOldFileAndNothingElseWhenItCannotWrite) {
  const TemporaryFolder folder;
  ASSERT_TRUE(replace_file(folder / "f", "old"));
  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  ASSERT_EQ(::chmod((folder / "f").c_str(), 0666), 0);
  const std::string path = folder / "f";
  // RLIMIT_FSIZE makes write(2) fail half-way, as a full disk does.
  const int status = status_of_ordinary_user([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit { 10, 10 };
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    const Status replaced = replace_file(path, "more than ten bytes");
    return !replaced && replaced.error().code == (::geteuid() == stat(path)->st_uid ? EFBIG : EPERM) ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(path).value(), "old");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"f"});
}

TEST(ReplaceFile, LeavesNothingWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  const int status = status_of_ordinary_user([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit { 10, 10 };
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    const Status replaced = replace_file(folder / "new", "more than ten bytes");
    return !replaced && replaced.error().code == EFBIG ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(ReplaceFile, RefusesWhatIsNotARegularFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  const Status replaced = replace_file(folder / "fifo", "x");
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().message(), "replace " + (folder / "fifo") + ": not a regular file");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"fifo"});
}

// Every reader sees one version or the other, never a mixture or nothing.
TEST(ReplaceFile, IsAtomicForReaders) {
  const TemporaryFolder folder;
  const std::string a(50'000, 'a');
  const std::string b(50'000, 'b');
  ASSERT_TRUE(replace_file(folder / "f", a));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(replace_file(folder / "f", i % 2 == 0 ? b : a));
    done = true;
  });
  while (!done) {
    const auto text = read_file(folder / "f");
    if (!text || (*text != a && *text != b)) {
      ADD_FAILURE() << "read something else";
      break;
    }
  }
  writer.join();
}

TEST(MakeDirectories, MakesMissingPartsAndLeavesOthersAsTheyAre) {
  const TemporaryFolder folder;
  ASSERT_TRUE(mkdir(folder / "a", 0755));
  const mode_t before = ::umask(0777);
  const Status made = make_directories(folder / "a/b//c/", 0711);
  ::umask(before);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(stat(folder / "a")->st_mode & 07777U, 0755U);
  EXPECT_EQ(stat(folder / "a/b")->st_mode & 07777U, 0711U);
  EXPECT_EQ(stat(folder / "a/b/c")->st_mode & 07777U, 0711U);
  EXPECT_TRUE(make_directories(folder / "a/b/c", 0700)) << "all there already";
  EXPECT_EQ(stat(folder / "a/b/c")->st_mode & 07777U, 0711U);
  EXPECT_TRUE(make_directories("/proc", 0700)) << "there, and on a file system that makes none";
}

TEST(MakeDirectories, NamesThePartThatIsInTheWay) {
  const TemporaryFolder folder;
  ASSERT_TRUE(replace_file(folder / "f", ""));
  const Status made = make_directories(folder / "f/below", 0700);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(), "mkdir " + (folder / "f") + ": Not a directory");
  EXPECT_TRUE(std::filesystem::is_regular_file(folder / "f"));
}

TEST(RemoveTree, RemovesEverythingBelowWithoutFollowingLinks) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_directories(folder / "outside", 0700));
  ASSERT_TRUE(replace_file(folder / "outside/kept", "kept"));
  ASSERT_TRUE(make_directories(folder / "tree/a/b", 0700));
  ASSERT_TRUE(replace_file(folder / "tree/a/file", "x"));
  ASSERT_EQ(::symlink((folder / "outside").c_str(), (folder / "tree/a/link").c_str()), 0);
  ASSERT_EQ(::symlink("/nowhere", (folder / "tree/dangling").c_str()), 0);
  ASSERT_EQ(::mkfifo((folder / "tree/fifo").c_str(), 0600), 0);
  const Status removed = remove_tree(folder / "tree");
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"outside"});
  EXPECT_EQ(names_in(folder / "outside"), std::vector<std::string>{"kept"});
}

TEST(RemoveTree, RemovesALinkAndNotWhatItPointsTo) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_directories(folder / "outside", 0700));
  ASSERT_TRUE(replace_file(folder / "outside/kept", "kept"));
  ASSERT_EQ(::symlink((folder / "outside").c_str(), (folder / "link").c_str()), 0);
  ASSERT_TRUE(remove_tree(folder / "link"));
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"outside"});
  EXPECT_EQ(names_in(folder / "outside"), std::vector<std::string>{"kept"});
}

TEST(RemoveTree, TakesWhatIsMissingForRemoved) {
  const TemporaryFolder folder;
  EXPECT_TRUE(remove_tree(folder / "absent"));
  EXPECT_TRUE(remove_tree(folder / "absent/below"));
}

TEST(RemoveTree, StopsAtADepthItCanBear) {
  const TemporaryFolder folder;
  std::string path = folder / "deep";
  for (int i = 0; i < 200; ++i) path += "/d";
  ASSERT_TRUE(make_directories(path, 0700));
  const Status removed = remove_tree(folder / "deep");
  ASSERT_FALSE(removed);
  EXPECT_THAT(removed.error().message(), ::testing::HasSubstr("nested too deep"));
  std::filesystem::remove_all(folder / "deep");
}

}  // namespace
}  // namespace tidewaiter::sys
