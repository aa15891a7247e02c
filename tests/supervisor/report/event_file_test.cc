#include "supervisor/report/event_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"
#include "tests/supervisor/event_lines.h"

namespace tidewaiter::supervisor {
namespace {

using testing::TemporaryFolder;

std::string line(int number, std::size_t size = 0) {
  return "{\"n\":" + std::to_string(number) + ",\"x\":\"" + std::string(size, 'x') + "\"}\n";
}

std::uint64_t size_of(const std::string& path) { return std::filesystem::file_size(path); }

// Files of this process may not grow beyond a size, for a scope: writing comes to an end in the middle of a
// line, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t limit) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    set(limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() { set(before_.rlim_cur); }

 private:
  void set(rlim_t limit) {
    const struct rlimit next = {limit, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &next), 0);
  }
  struct rlimit before_ {};
};

TEST(EventFile, MakesItsFolderForItsOwnerAlone) {
  const TemporaryFolder folder;
  const std::string path = folder / "a/b";
  auto log = EventFile::open(path, "box", 1000);
  ASSERT_TRUE(log) << log.error().message();
  log->append(line(1));
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  ASSERT_EQ(::stat((path + "/box.jsonl").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(event_lines(path + "/box.jsonl").size(), 1U);
}

TEST(EventFile, GoesOnWhereAnEarlierOneEnded) {
  const TemporaryFolder folder;
  for (int i = 0; i < 3; ++i) {
    auto log = EventFile::open(folder.path(), "box", 1000);
    ASSERT_TRUE(log);
    log->append(line(i));
  }
  const auto lines = event_lines(folder / "box.jsonl");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[2]["n"], 2);
}

TEST(EventFile, FollowsNoLinkThatSomebodyPutInItsPlace) {
  const TemporaryFolder folder;
  ASSERT_EQ(::symlink((folder / "elsewhere").c_str(), (folder / "box.jsonl").c_str()), 0);
  const auto log = EventFile::open(folder.path(), "box", 1000);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ELOOP);
}

TEST(EventFile, KeepsTheNewestWithinTwiceItsBound) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 1000);
  ASSERT_TRUE(log);
  for (int i = 0; i < 500; ++i) {
    log->append(line(i, static_cast<std::size_t>(i % 90)));
    ASSERT_LE(size_of(folder / "box.jsonl"), 1000U);
    if (std::filesystem::exists(folder / "box.jsonl.1")) {
      ASSERT_LE(size_of(folder / "box.jsonl.1"), 1000U);
    }
  }
  // The newest are there without a gap.
  auto lines = event_lines(folder / "box.jsonl.1");
  for (auto& each : event_lines(folder / "box.jsonl")) lines.push_back(std::move(each));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["n"], 500 - static_cast<int>(lines.size()) + static_cast<int>(i));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2);
}

TEST(EventFile, HoldsItsBoundAcrossRestarts) {
  const TemporaryFolder folder;
  for (int i = 0; i < 100; ++i) {
    auto log = EventFile::open(folder.path(), "box", 300);
    ASSERT_TRUE(log);
    log->append(line(i, 40));
    EXPECT_LE(size_of(folder / "box.jsonl"), 300U);
  }
}

TEST(EventFile, WritesALineThatIsLongerThanTheBound) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 100);
  ASSERT_TRUE(log);
  for (int i = 0; i < 3; ++i) log->append(line(i, 500));
  EXPECT_EQ(event_lines(folder / "box.jsonl").at(0)["n"], 2);
  EXPECT_EQ(event_lines(folder / "box.jsonl.1").at(0)["n"], 1);
}

TEST(EventFile, GoesOnWhereAProcessWasKilledInTheMiddleOfALine) {
  const TemporaryFolder folder;
  // Longer than what is read at once.
  for (const std::size_t half : {std::size_t{1}, std::size_t{5000}}) {
    const std::string path = folder / "box.jsonl";
    std::ofstream(path) << line(1) << line(2) << line(3, half).substr(0, half);
    auto log = EventFile::open(folder.path(), "box", 1U << 20U);
    ASSERT_TRUE(log);
    const Status resumed = log->resume();
    ASSERT_TRUE(resumed) << resumed.error().message();
    log->append(line(4));
    const auto lines = event_lines(path);
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[1]["n"], 2);
    EXPECT_EQ(lines[2]["n"], 4);
  }
}

TEST(EventFile, LeavesALineThatSomebodyMayStillBeWriting) {
  const TemporaryFolder folder;
  const std::string path = folder / "box.jsonl";
  std::ofstream(path) << line(1) << "{";
  const auto other = EventFile::open(folder.path(), "box", 1000);
  auto log = EventFile::open(folder.path(), "box", 1000);
  ASSERT_TRUE(other && log);
  EXPECT_FALSE(log->resume());
  EXPECT_EQ(size_of(path), line(1).size() + 1);
}

TEST(EventFile, GoesOnInTheFileThatAnotherProcessHasRotatedTo) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 1000);
  ASSERT_TRUE(log);
  {
    auto other = EventFile::open(folder.path(), "box", 1000);
    ASSERT_TRUE(other);
    for (int i = 0; i < 3; ++i) other->append(line(i, 400));
  }
  ASSERT_TRUE(log->resume());
  log->append(line(3));
  EXPECT_EQ(event_lines(folder / "box.jsonl").back()["n"], 3);
  EXPECT_EQ(event_lines(folder / "box.jsonl.1").back()["n"], 1);
}

TEST(EventFile, SaysAtOnceWhatSomebodyElseHasLost) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 1000);
  ASSERT_TRUE(log);
  log->count_lost(2);
  log->append(line(1));
  const auto lines = event_lines(folder / "box.jsonl");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["lost"], 2);
  EXPECT_EQ(lines[1]["n"], 1);
}

TEST(EventFile, CountsWhatItCouldNotWriteAndSaysSo) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 1U << 20U);
  ASSERT_TRUE(log);
  log->append(line(1, 100));
  {
    // The next line is cut in the middle, the ones after it do not begin.
    const FileSizeLimit limit(150);
    for (int i = 2; i < 7; ++i) log->append(line(i, 100));
    // What can be read in the meantime is whole.
    EXPECT_EQ(event_lines(folder / "box.jsonl").size(), 1U);
  }
  log->append(line(7));
  log->append(line(8));
  const auto lines = event_lines(folder / "box.jsonl");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0]["n"], 1);
  EXPECT_EQ(lines[1]["lost"], 5);
  EXPECT_TRUE(lines[1]["time"].is_string());
  EXPECT_EQ(lines[2]["n"], 7);
  EXPECT_EQ(lines[3]["n"], 8);
}

TEST(EventFile, SaysWhatWasLostEvenIfThatCannotBeWrittenAtOnce) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 1U << 20U);
  ASSERT_TRUE(log);
  log->append(line(1));
  const std::uint64_t size = size_of(folder / "box.jsonl");
  {
    const FileSizeLimit limit(size);
    log->append(line(2));
  }
  {
    const FileSizeLimit limit(size + 10);
    log->append(line(3));
  }
  log->append(line(4));
  const auto lines = event_lines(folder / "box.jsonl");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1]["lost"], 2);
  EXPECT_EQ(lines[2]["n"], 4);
}

TEST(EventFile, HoldsItsBoundWhereItCannotRotate) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 300);
  ASSERT_TRUE(log);
  // A folder in the way of the rotated file.
  std::filesystem::create_directories(folder / "box.jsonl.1/x");
  for (int i = 0; i < 100; ++i) {
    log->append(line(i, 40));
    EXPECT_LE(size_of(folder / "box.jsonl"), 300U);
  }
  EXPECT_EQ(event_lines(folder / "box.jsonl").back()["n"], 99);
}

// No descriptor is left for the next file: what has been rotated stays, and what cannot be written is
// counted.
TEST(EventFile, ErasesNothingWhereTheNextFileCannotBeOpened) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 300);
  ASSERT_TRUE(log);
  for (int i = 0; i < 5; ++i) log->append(line(i, 40));
  const auto before = event_lines(folder / "box.jsonl");
  ASSERT_EQ(before.size(), 5U);
  struct rlimit descriptors {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &descriptors), 0);
  const struct rlimit none = {0, descriptors.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int i = 5; i < 9; ++i) log->append(line(i, 40));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &descriptors), 0);
  log->append(line(9, 40));
  EXPECT_EQ(event_lines(folder / "box.jsonl.1"), before);
  const auto after = event_lines(folder / "box.jsonl");
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0]["lost"], 4);
  EXPECT_EQ(after[1]["n"], 9);
}

TEST(EventFile, BeginsAnewWhereSomebodyHasRemovedIt) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 300);
  ASSERT_TRUE(log);
  log->append(line(1, 200));
  ASSERT_TRUE(std::filesystem::remove(folder / "box.jsonl"));
  log->append(line(2, 200));
  const auto lines = event_lines(folder / "box.jsonl");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["n"], 2);
}

// Waits until somebody waits for a lock that is held on `file`.
bool wait_for_waiter(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return false;
  const std::string inode = ":" + std::to_string(status.st_ino) + " ";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    std::istringstream locks(*sys::read_file("/proc/locks"));
    for (std::string each; std::getline(locks, each);) {
      if (each.find("-> FLOCK") != std::string::npos && each.find(inode) != std::string::npos) return true;
    }
    std::this_thread::yield();
  }
  return false;
}

TEST(EventFile, IsNotOpenedWhileItIsBeingRemoved) {
  const TemporaryFolder folder;
  const std::string path = folder / "box.jsonl";
  // As prune_logs() does.
  auto removed = sys::open(path, O_RDONLY | O_CREAT, 0600);
  ASSERT_TRUE(removed);
  ASSERT_EQ(::flock(removed->get(), LOCK_EX), 0);
  auto opened = std::async(std::launch::async, [&] { return EventFile::open(folder.path(), "box", 1000); });
  EXPECT_TRUE(wait_for_waiter(removed->get()));
  ASSERT_TRUE(sys::unlink(path));
  removed->reset();
  auto log = opened.get();
  ASSERT_TRUE(log) << log.error().message();
  log->append(line(1));
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_EQ(event_lines(path).size(), 1U);
}

TEST(EventFile, TakesLinesFromManyThreads) {
  const TemporaryFolder folder;
  auto log = EventFile::open(folder.path(), "box", 1U << 20U);
  ASSERT_TRUE(log);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 200; ++i) log->append(line(thread * 200 + i, 30));
    });
  }
  for (auto& thread : threads) thread.join();
  std::vector<int> seen(1600);
  for (const auto& each : event_lines(folder / "box.jsonl")) ++seen.at(each["n"].get<std::size_t>());
  EXPECT_EQ(seen, std::vector<int>(1600, 1));
}

// --- pruning ------------------------------------------------------------------------------------------

void make_file(const std::string& path, std::size_t size, int age) {
  const auto file = sys::open(path, O_WRONLY | O_CREAT, 0600);
  ASSERT_TRUE(file);
  ASSERT_TRUE(sys::write_all(file->get(), std::string(size, 'x')));
  std::filesystem::last_write_time(path,
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(age));
}

TEST(PruneLogs, RemovesTheOldestUntilTheRestFits) {
  const TemporaryFolder folder;
  make_file(folder / "oldest.jsonl", 100, 5);
  make_file(folder / "old.jsonl.1", 100, 4);
  make_file(folder / "new.jsonl", 100, 3);
  make_file(folder / "newest.jsonl", 100, 2);
  make_file(folder / "agent.log", 1000, 9);
  make_file(folder / "notes.txt", 1000, 9);
  ASSERT_TRUE(prune_logs(folder.path(), 400));
  EXPECT_TRUE(std::filesystem::exists(folder / "oldest.jsonl"));
  ASSERT_TRUE(prune_logs(folder.path(), 399));
  EXPECT_FALSE(std::filesystem::exists(folder / "oldest.jsonl"));
  EXPECT_TRUE(std::filesystem::exists(folder / "old.jsonl.1"));
  ASSERT_TRUE(prune_logs(folder.path(), 150));
  EXPECT_FALSE(std::filesystem::exists(folder / "old.jsonl.1"));
  EXPECT_FALSE(std::filesystem::exists(folder / "new.jsonl"));
  EXPECT_TRUE(std::filesystem::exists(folder / "newest.jsonl"));
  ASSERT_TRUE(prune_logs(folder.path(), 0));
  EXPECT_FALSE(std::filesystem::exists(folder / "newest.jsonl"));
  EXPECT_TRUE(std::filesystem::exists(folder / "agent.log"));
  EXPECT_TRUE(std::filesystem::exists(folder / "notes.txt"));
}

TEST(PruneLogs, SparesWhatAnAgentStillWritesTo) {
  const TemporaryFolder folder;
  make_file(folder / "dead.jsonl", 100, 1);
  {
    auto log = EventFile::open(folder.path(), "quiet", 1000);
    ASSERT_TRUE(log);
    log->append(line(1));
    std::filesystem::last_write_time(folder / "quiet.jsonl",
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(9));
    ASSERT_TRUE(prune_logs(folder.path(), 0));
    EXPECT_TRUE(std::filesystem::exists(folder / "quiet.jsonl"));
    EXPECT_FALSE(std::filesystem::exists(folder / "dead.jsonl"));
  }
  ASSERT_TRUE(prune_logs(folder.path(), 0));
  EXPECT_FALSE(std::filesystem::exists(folder / "quiet.jsonl"));
}

// An agent that begins while old logs are removed finds its own log in its place, whatever comes first.
TEST(PruneLogs, NeverTakesALogThatHasJustBeenOpened) {
  const TemporaryFolder folder;
  std::atomic<bool> done = false;
  std::vector<std::thread> pruners;
  for (int i = 0; i < 2; ++i) {
    pruners.emplace_back([&] {
      while (!done) EXPECT_TRUE(prune_logs(folder.path(), 0));
    });
  }
  for (int i = 0; i < 3000; ++i) {
    auto log = EventFile::open(folder.path(), "box", 1U << 20U);
    EXPECT_TRUE(log) << log.error().message();
    if (!log) break;
    log->append(line(i));
    const auto lines = event_lines(folder / "box.jsonl");
    EXPECT_TRUE(!lines.empty() && lines.back()["n"] == i) << i;
    if (HasFailure()) break;
  }
  done = true;
  for (auto& pruner : pruners) pruner.join();
}

TEST(PruneLogs, GoesOnWhereAnotherIsAtWork) {
  const TemporaryFolder folder;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 200; ++i) make_file(folder / (std::to_string(i) + ".jsonl"), 1, i);
    std::atomic<int> ready = 0;
    std::vector<std::future<Status>> pruned;
    for (int i = 0; i < 4; ++i) {
      pruned.push_back(std::async(std::launch::async, [&] {
        for (++ready; ready < 4;) std::this_thread::yield();
        return prune_logs(folder.path(), 0);
      }));
    }
    for (auto& each : pruned) {
      const Status status = each.get();
      EXPECT_TRUE(status) << status.error().message();
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

TEST(PruneLogs, FailsWithoutAFolder) {
  const TemporaryFolder folder;
  const Status pruned = prune_logs(folder / "missing", 0);
  ASSERT_FALSE(pruned);
  EXPECT_EQ(pruned.error().code, ENOENT);
}

}  // namespace
}  // namespace tidewaiter::supervisor
