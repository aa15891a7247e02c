#include "supervisor/report/event_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <thread>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"
#include "tests/supervisor/event_lines.h"

// What the queue and its thread add; the file itself is event_file_test.cc's.

namespace tidewaiter::supervisor {
namespace {

using std::chrono::milliseconds;
using testing::TemporaryFolder;

constexpr std::uint64_t kLarge = 64U << 20U;

std::string line(int number) { return "{\"n\":" + std::to_string(number) + "}\n"; }

Event event(int number) {
  Event event;
  event.container = "box";
  event.syscall = "ptrace";
  event.tid = number;
  event.received = std::chrono::steady_clock::now();
  return event;
}

// A log whose file takes nothing until somebody reads: a pipe that is full.
class StuckLog {
 public:
  explicit StuckLog(const EventLog::Bounds& bounds, EventCounts* counts = nullptr) {
    const std::string path = folder_ / "box.jsonl";
    if (::mkfifo(path.c_str(), 0600) != 0) std::abort();
    pipe_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!pipe_.valid() || ::fcntl(pipe_.get(), F_SETPIPE_SZ, 4096) != 4096) std::abort();
    if (!sys::write_all(pipe_.get(), std::string(4096, ' '))) std::abort();
    auto log = EventLog::open(folder_.path(), "box", kLarge, counts, bounds);
    if (!log) std::abort();
    log_.emplace(std::move(*log));
  }

  EventLog& operator*() { return *log_; }
  EventLog* operator->() { return &*log_; }

  // Reads until `before` has returned and the log has ended; its lines.
  std::vector<nlohmann::json> end(const std::function<void()>& before = [] {}) {
    // NOLINTNEXTLINE(bugprone-unused-local-non-trivial-variable): its destructor waits
    auto ended = std::async(std::launch::async, [&] {
      before();
      log_.reset();
      (void)sys::write_all(pipe_.get(), "\n.");
    });
    std::string text;
    while (!text.ends_with("\n.")) {
      char byte = 0;
      if (::read(pipe_.get(), &byte, 1) != 1) std::abort();
      text += byte;
    }
    std::vector<nlohmann::json> lines;
    text.erase(0, 4096);
    for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      if (end != begin) lines.push_back(nlohmann::json::parse(text.substr(begin, end - begin)));
    }
    return lines;
  }

 private:
  TemporaryFolder folder_;
  UniqueFd pipe_;
  std::optional<EventLog> log_;
};

TEST(EventLog, WritesAllInOrderBeforeItEnds) {
  const TemporaryFolder folder;
  constexpr int kCount = 3000;
  {
    auto log = EventLog::open(folder.path(), "box", kLarge);
    ASSERT_TRUE(log) << log.error().message();
    for (int i = 0; i < kCount; i += 2) {
      log->append(event(i));
      log->append("{\"tid\":" + std::to_string(i + 1) + "}\n");
    }
  }
  const auto lines = event_lines(folder / "box.jsonl");
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(kCount));
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(lines[static_cast<std::size_t>(i)]["tid"], i);
}

TEST(EventLog, HasWrittenAllWhenItIsFlushed) {
  const TemporaryFolder folder;
  auto log = EventLog::open(folder.path(), "box", kLarge);
  ASSERT_TRUE(log);
  log->flush();
  for (int i = 1; i <= 300; ++i) {
    log->append(event(i));
    if (i % 3 != 0) continue;
    log->flush();
    ASSERT_EQ(event_lines(folder / "box.jsonl").size(), static_cast<std::size_t>(i));
  }
}

TEST(EventLog, ShowsAnEventSoonThatNobodyFlushes) {
  const TemporaryFolder folder;
  auto log = EventLog::open(folder.path(), "box", kLarge);
  ASSERT_TRUE(log);
  for (std::uintmax_t i = 1; i < 20; ++i) {
    log->append(line(1));
    // A sleeping thread is woken, one that still looks for more comes by itself.
    if (i % 5 == 0) std::this_thread::sleep_for(milliseconds(70));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (std::filesystem::file_size(folder / "box.jsonl") != i * line(1).size()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
}

// Of this process.
std::size_t threads() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

// How many there are, those counted that a sanitizer's runtime starts with the first one.
std::size_t threads_to_begin_with() {
  std::thread([] {}).join();
  return threads();
}

TEST(EventLog, HasAThreadOnlyWhileEventsCome) {
  const TemporaryFolder folder;
  const std::size_t before = threads_to_begin_with();
  auto log = EventLog::open(folder.path(), "box", kLarge);
  ASSERT_TRUE(log);
  for (std::size_t round = 1; round <= 2; ++round) {
    EXPECT_EQ(threads(), before);
    log->append(line(1));
    EXPECT_EQ(threads(), before + 1);
    const auto deadline = std::chrono::steady_clock::now() + 10 * EventLog::kLinger;
    while (threads() != before) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::sleep_for(milliseconds(5));
    }
    EXPECT_EQ(event_lines(folder / "box.jsonl").size(), round);
    log->flush();
  }
}

TEST(EventLog, WritesByItselfWhereNoThreadCanBeHad) {
  const TemporaryFolder folder;
  // In a process of its own, whose user has no room for another.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::size_t before = threads_to_begin_with();
    const struct rlimit none = {0, 0};
    auto log = EventLog::open(folder.path(), "box", kLarge);
    if (!log || ::setrlimit(RLIMIT_NPROC, &none) != 0) ::_exit(2);
    if (::geteuid() == 0 && ::setuid(12345) != 0) ::_exit(2);  // root has as many as it likes
    for (int i = 0; i < 3; ++i) log->append(event(i));
    if (threads() != before) ::_exit(3);
    log->flush();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(event_lines(folder / "box.jsonl").size(), 3U);
}

TEST(EventLog, SaysWhenTheCallWasReceived) {
  const TemporaryFolder folder;
  auto log = EventLog::open(folder.path(), "box", kLarge);
  ASSERT_TRUE(log);
  Event old = event(1);
  old.received -= std::chrono::hours(1);
  log->append(old);
  log->append(event(2));
  log->flush();
  const auto lines = event_lines(folder / "box.jsonl");
  const std::string first = lines.at(0)["time"];
  const std::string second = lines.at(1)["time"];
  const auto minutes = [](const std::string& time) {
    return std::stoi(time.substr(11, 2)) * 60 + std::stoi(time.substr(14, 2));
  };
  const int between = (minutes(second) - minutes(first) + 24 * 60) % (24 * 60);
  EXPECT_GE(between, 60);
  EXPECT_LE(between, 61);
}

class EventLogBound : public ::testing::TestWithParam<EventLog::Bounds> {};

TEST_P(EventLogBound, HoldsUpWhoeverIsFasterThanTheFile) {
  StuckLog log(GetParam());
  constexpr int kCount = 50;
  auto appended = std::async(std::launch::async, [&] {
    for (int i = 0; i < kCount; ++i) log->append(line(i));
  });
  EXPECT_EQ(appended.wait_for(milliseconds(100)), std::future_status::timeout) << "nobody was held up";
  const auto lines = log.end([&] { appended.wait(); });
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(kCount));
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(lines[static_cast<std::size_t>(i)]["n"], i);
}

INSTANTIATE_TEST_SUITE_P(Bounds, EventLogBound,
                         ::testing::Values(EventLog::Bounds{.events = 4, .patience = std::chrono::minutes(1)},
                                           EventLog::Bounds{.bytes = 40,
                                                            .patience = std::chrono::minutes(1)}),
                         [](const auto& bounds) { return bounds.param.events == 4 ? "Events" : "Bytes"; });

TEST(EventLog, CountsWhatFindsNoRoomInTime) {
  StuckLog log({.events = 4, .patience = milliseconds(50)});
  const auto begin = std::chrono::steady_clock::now();
  constexpr int kCount = 100;
  for (int i = 0; i < kCount; ++i) log->append(line(i));
  // Not each of them has waited.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(50) * kCount / 2);
  const auto lines = log.end();
  int written = 0;
  int lost = 0;
  for (const auto& each : lines) {
    if (each.contains("lost")) {
      lost += each["lost"].get<int>();
    } else {
      EXPECT_EQ(each["n"], written++) << "what was lost came last";
    }
  }
  EXPECT_GE(written, 4);
  EXPECT_GT(lost, 0);
  EXPECT_EQ(written + lost, kCount);
  EXPECT_TRUE(lines.back().contains("lost"));
}

TEST(EventLog, TellsWhatAProcessHadOnItsWayWhenItWasKilled) {
  const TemporaryFolder folder;
  EventCounts counts;
  {
    auto log = EventLog::open(folder.path(), "box", kLarge, &counts);
    ASSERT_TRUE(log);
    for (int i = 0; i < 5; ++i) log->append(line(i));
  }
  EXPECT_EQ(counts.appended, 5U);
  EXPECT_EQ(counts.settled, 5U);
  // Two were never written.
  counts.appended += 2;
  auto log = EventLog::open(folder.path(), "box", kLarge, &counts);
  ASSERT_TRUE(log);
  ASSERT_TRUE(log->resume());
  log->append(line(5));
  log->flush();
  const auto lines = event_lines(folder / "box.jsonl");
  ASSERT_EQ(lines.size(), 7U);
  EXPECT_EQ(lines[5]["lost"], 2);
  EXPECT_EQ(lines[6]["n"], 5);
  EXPECT_EQ(counts.appended, 8U);
  EXPECT_EQ(counts.settled, 8U);
}

TEST(EventLog, RemembersWhatADiskDidNotTakeForTheNextProcess) {
  const TemporaryFolder folder;
  EventCounts counts;
  {
    auto log = EventLog::open(folder.path(), "box", kLarge, &counts);
    ASSERT_TRUE(log);
    ::signal(SIGXFSZ, SIG_IGN);
    struct rlimit before {};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit full = {line(0).size(), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    for (int i = 0; i < 4; ++i) log->append(line(i));
    log->flush();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  }
  EXPECT_EQ(counts.settled, 4U);
  EXPECT_EQ(counts.lost, 3U);
  auto log = EventLog::open(folder.path(), "box", kLarge, &counts);
  ASSERT_TRUE(log);
  ASSERT_TRUE(log->resume());
  const auto lines = event_lines(folder / "box.jsonl");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1]["lost"], 3);
  EXPECT_EQ(counts.lost, 0U);
}

TEST(EventLog, SettlesWhatIsLostForWantOfRoomToo) {
  EventCounts counts;
  StuckLog log({.events = 4, .patience = milliseconds(1)}, &counts);
  constexpr int kCount = 100;
  for (int i = 0; i < kCount; ++i) log->append(line(i));
  EXPECT_TRUE(log->full());
  EXPECT_LT(counts.settled, counts.appended);
  (void)log.end();
  EXPECT_EQ(counts.appended, static_cast<std::uint64_t>(kCount));
  EXPECT_EQ(counts.settled, static_cast<std::uint64_t>(kCount));
}

TEST(EventLog, CountsWhatADiskDoesNotTake) {
  const TemporaryFolder folder;
  auto log = EventLog::open(folder.path(), "box", kLarge);
  ASSERT_TRUE(log);
  log->append(line(1));
  log->flush();
  ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  // Room for two more lines and a half.
  const struct rlimit full = {line(1).size() * 7 / 2, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  for (int i = 2; i < 8; ++i) log->append(line(i));
  log->flush();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(event_lines(folder / "box.jsonl").size(), 3U)
      << "what fits is written, however many come at once";
  log->append(line(8));
  log->flush();
  const auto lines = event_lines(folder / "box.jsonl");
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[2]["n"], 3);
  EXPECT_EQ(lines[3]["lost"], 4);
  EXPECT_EQ(lines[4]["n"], 8);
}

TEST(EventLog, KeepsTheOrderOfEachOfManyThreads) {
  const TemporaryFolder folder;
  constexpr int kThreads = 8;
  constexpr int kEach = 2000;
  {
    auto log = EventLog::open(folder.path(), "box", kLarge, nullptr,
                              {.events = 64, .patience = std::chrono::minutes(1)});
    ASSERT_TRUE(log);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kEach; ++i) log->append(event(thread * kEach + i));
      });
    }
    for (auto& thread : threads) thread.join();
  }
  std::vector<int> next(kThreads);
  for (const auto& each : event_lines(folder / "box.jsonl")) {
    ASSERT_TRUE(each.contains("tid")) << each;
    const int number = each["tid"];
    ASSERT_EQ(number % kEach, next.at(static_cast<std::size_t>(number / kEach))++);
  }
  EXPECT_EQ(next, std::vector<int>(kThreads, kEach));
}

}  // namespace
}  // namespace tidewaiter::supervisor
