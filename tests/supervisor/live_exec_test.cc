#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include "tests/supervisor/faulty_kernel.h"
#include "tests/supervisor/live_target.h"

// execve under a policy, on the real kernel. The programs are a busybox's, who does what argv[0] says: `true`
// and `false` are told apart by how they exit.

namespace tidewaiter::supervisor {
namespace {

const std::vector<int> kExecs = {SYS_execve, SYS_execveat};
constexpr const char* kBusybox = "/bin/busybox";
constexpr long kKilled = 1000;  // exit codes are below; plus the signal

std::string busybox_path() {
  auto path = sys::realpath(kBusybox);
  return path ? *path : kBusybox;
}

// Only `busybox true`, under whatever name it is called.
std::string only_true() {
  return R"({"version": 1, "exec": {"allow": [{"path": ")" + busybox_path() + R"(", "argv": ["true"]}]}})";
}

// How a child ended: its exit code, or kKilled and the signal.
long end_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -errno;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kKilled + WTERMSIG(status);
}

// Forks a child that runs `body`, which executes something; it exits with 100 + errno when it comes back.
template <typename Execute>
long run_child(const Execute& execute) {
  const pid_t child = ::fork();
  if (child == 0) {
    execute();
    ::_exit(100 + errno);
  }
  return end_of(child);
}

long run(const char* path, std::vector<const char*> argv) {
  argv.push_back(nullptr);
  char* const environment[] = {nullptr};
  return run_child([&] { ::execve(path, const_cast<char* const*>(argv.data()), environment); });
}

const nlohmann::json* find_event(const std::vector<nlohmann::json>& events, const char* verdict) {
  const auto found = std::find_if(events.begin(), events.end(),
                                  [&](const nlohmann::json& event) { return event["verdict"] == verdict; });
  return found == events.end() ? nullptr : &*found;
}

TEST(LiveExec, RunsWhatIsAllowedAndNothingElse) {
  LiveSession session(only_true(), kExecs, [] {
    return std::vector<long>{run(kBusybox, {"true"}), run(kBusybox, {"false"}), run(kBusybox, {"true", "x"}),
                             run("/bin/nothing", {"true"}), run("/etc/passwd", {"true"})};
  });
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, (std::vector<long>{0, 100 + EACCES, 100 + EACCES, 100 + ENOENT, 100 + EACCES}));
  const auto* allowed = find_event(events, "allowed");
  ASSERT_NE(allowed, nullptr);
  EXPECT_EQ((*allowed)["path"], busybox_path());
  EXPECT_EQ((*allowed)["argv"], nlohmann::json({"true"}));
  EXPECT_EQ((*allowed)["rule"], "/exec/allow/0");
  EXPECT_FALSE(allowed->contains("errno"));
  // An answer comes before its event, so that the next call's may overtake it.
  const auto denied = std::find_if(events.begin(), events.end(), [](const nlohmann::json& event) {
    return event["verdict"] == "denied" && event["argv"] == nlohmann::json({"false"});
  });
  ASSERT_NE(denied, events.end());
  EXPECT_EQ((*denied)["rule"], "/exec/allow");
}

// What goes before the programs of a container with file rules is known by its file: whoever moves another to
// its name, as an image can whose /dev is a link, has gained nothing.
TEST(LiveExec, LetsInitRunByItsFileAndNotByItsName) {
  testing::TemporaryFolder folder;
  const std::string init = folder / "init";
  const std::string other = folder / "other";
  const std::string script = folder / "script";
  for (const std::string& each : {init, other}) std::filesystem::copy_file(kBusybox, each);
  std::ofstream(script) << "#!" << folder / "link"
                        << "\n";
  ASSERT_EQ(::chmod(script.c_str(), 0755), 0);
  const auto status = sys::stat(init);
  ASSERT_TRUE(status);
  const auto body = [&] {
    std::vector<long> ends{run(init.c_str(), {"true"}), run(init.c_str(), {"false"}),
                           run(other.c_str(), {"true"})};
    std::error_code failed;
    std::filesystem::create_hard_link(init, folder / "link", failed);
    ends.push_back(run((folder / "link").c_str(), {"true"}));
    ends.push_back(run(script.c_str(), {"true"}));  // `link`, as an interpreter
    std::filesystem::rename(other, init, failed);
    ends.push_back(run(init.c_str(), {"true"}));
    return ends;
  };
  LiveSession session(R"({"version": 1, "exec": {"allow": []}})", kExecs, body, nullptr,
                      container::Record::File{status->st_dev, status->st_ino});
  const auto [report, events] = session.run_to_end();
  constexpr long kRefused = 100 + EACCES;
  EXPECT_EQ(report, (std::vector<long>{0, 1, kRefused, 0, kRefused, kRefused}));
  ASSERT_EQ(events.size(), 3U);
  for (const auto& event : events) EXPECT_EQ(event["verdict"], "denied") << event;
}

TEST(LiveExec, TellsOfAFailureOfTheKernelsOwn) {
  testing::TemporaryFolder folder;
  const std::string file = folder.path() + "/empty";
  std::ofstream(file) << "neither ELF nor script";
  ASSERT_EQ(::chmod(file.c_str(), 0755), 0);
  LiveSession session(R"({"version": 1, "exec": {"allow": ["**"]}})", kExecs,
                      [&] { return std::vector<long>{run(file.c_str(), {"x"})}; });
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, std::vector<long>{100 + ENOEXEC});
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["verdict"], "allowed");
  EXPECT_EQ(events[0]["reason"], "the kernel did not run it");
  // Not known when the caller had gone on before it was stopped.
  EXPECT_EQ(events[0].value("errno", "ENOEXEC"), "ENOEXEC");
}

// Whatever a file holds, it fails as it does without a policy.
TEST(LiveExec, FailsAsTheKernelDoes) {
  testing::TemporaryFolder folder;
  const std::vector<std::string> contents = {"",
                                             "#",
                                             "#!",
                                             "#! ",
                                             "#!\n",
                                             "#! \n",
                                             "#!/no/such/interpreter\n",
                                             "#!/etc/passwd\n",
                                             "#!/etc/passwd/x",
                                             "#!/usr\n",
                                             "#!" + std::string(300, 'x'),
                                             "\177ELF"};
  const auto run_all = [&] {
    std::vector<long> ends;
    for (std::size_t i = 0; i < contents.size(); ++i) {
      const std::string file = folder.path() + "/" + std::to_string(i);
      ends.push_back(run(file.c_str(), {"x"}));
    }
    return ends;
  };
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const std::string file = folder.path() + "/" + std::to_string(i);
    std::ofstream(file) << contents[i];
    ASSERT_EQ(::chmod(file.c_str(), 0755), 0);
  }
  const std::vector<long> expected = run_all();
  LiveSession session(R"({"version": 1, "exec": {"allow": ["**"]}})", kExecs, run_all);
  EXPECT_EQ(session.run_to_end().report, expected);
  EXPECT_EQ(expected[2], 100 + EACCES);
}

// Everything in shared memory, where a thread of another process changes it all the time.
struct Shared {
  std::atomic<bool> stop{false};
  std::atomic<long> flips{0};
  char text[64] = {};
};

Shared* map_shared() {
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) Shared;
}

// Runs `execute` in many children while `text` changes from one to the other. How often each end came.
template <typename Execute>
std::vector<long> race(Shared& shared, const char* one, const char* other, int attempts,
                       const Execute& execute) {
  std::thread flipper([&] {
    while (!shared.stop.load()) {
      std::strcpy(shared.text, (shared.flips++ % 2) != 0 ? one : other);
    }
  });
  long good = 0;
  long bad = 0;
  long refused = 0;
  long killed = 0;
  for (int i = 0; i < attempts; ++i) {
    const long end = run_child(execute);
    // 127: a busybox that does not know the name it was called by, half of the one and half of the other.
    ++(end == 0 ? good : end == 1 || end == 127 ? bad : end >= kKilled ? killed : refused);
  }
  shared.stop = true;
  flipper.join();
  return {good, bad, refused, killed, shared.flips};
}

constexpr int kAttempts = 2000;

TEST(LiveExec, HoldsArgumentsThatChange) {
  Shared& shared = *map_shared();
  LiveSession session(only_true(), kExecs, [&] {
    char* const environment[] = {nullptr};
    char* const argv[] = {shared.text, nullptr};
    return race(shared, "true", "false", kAttempts, [&] { ::execve(kBusybox, argv, environment); });
  });
  const auto [report, events] = session.run_to_end();
  ASSERT_EQ(report.size(), 5U);
  EXPECT_GT(report[0], 0);
  EXPECT_EQ(report[1], 0) << "false ran";
  EXPECT_GT(report[2], 0);
  EXPECT_GT(report[4], kAttempts) << "nothing raced";
}

TEST(LiveExec, HoldsAPathThatChanges) {
  Shared& shared = *map_shared();
  testing::TemporaryFolder folder;
  const std::string good = folder.path() + "/good";
  const std::string evil = folder.path() + "/evil";
  std::ofstream(good) << "#!/bin/sh\nexit 0\n";
  std::ofstream(evil) << "#!/bin/sh\nexit 1\n";
  for (const auto& file : {good, evil}) ASSERT_EQ(::chmod(file.c_str(), 0755), 0);
  const std::string policy = R"({"version": 1, "exec": {"allow": [")" + good + R"(", {"path": ")" +
                             *sys::realpath("/bin/sh") + R"(", "argv": ["/bin/sh", ")" + good + R"("]}]}})";
  LiveSession session(policy, kExecs, [&] {
    char name[] = "x";
    char* const environment[] = {nullptr};
    char* const argv[] = {name, nullptr};
    return race(shared, good.c_str(), evil.c_str(), kAttempts,
                [&] { ::execve(shared.text, argv, environment); });
  });
  const auto [report, events] = session.run_to_end();
  ASSERT_EQ(report.size(), 5U);
  EXPECT_GT(report[0], 0);
  EXPECT_EQ(report[1], 0) << "the other script ran";
}

TEST(LiveExec, HoldsALinkThatChanges) {
  Shared& shared = *map_shared();
  testing::TemporaryFolder folder;
  const std::string link = folder.path() + "/link";
  const std::string next = folder.path() + "/next";
  const std::string evil = folder.path() + "/evil";
  {
    std::ifstream from(kBusybox, std::ios::binary);
    std::ofstream(evil, std::ios::binary) << from.rdbuf();
  }
  ASSERT_EQ(::chmod(evil.c_str(), 0755), 0);
  ASSERT_EQ(::symlink(kBusybox, link.c_str()), 0);
  const std::string policy = R"({"version": 1, "exec": {"allow": [")" + busybox_path() + R"("]}})";
  LiveSession session(policy, kExecs, [&]() -> std::vector<long> {
    std::thread flipper([&] {
      while (!shared.stop.load()) {
        if (::symlink((shared.flips++ % 2) != 0 ? kBusybox : evil.c_str(), next.c_str()) != 0) ::abort();
        if (::rename(next.c_str(), link.c_str()) != 0) ::abort();
      }
    });
    // Which of them runs it says itself.
    char shell[] = "sh";
    char option[] = "-c";
    std::string script = "test \"$(readlink /proc/$$/exe)\" = " + busybox_path();
    char* const argv[] = {shell, option, script.data(), nullptr};
    char* const environment[] = {nullptr};
    long good = 0;
    long bad = 0;
    for (int i = 0; i < kAttempts; ++i) {
      const long end = run_child([&] { ::execve(link.c_str(), argv, environment); });
      if (end == 0) ++good;
      if (end > 0 && end < 100) ++bad;
    }
    shared.stop = true;
    flipper.join();
    return {good, bad};
  });
  const auto [report, events] = session.run_to_end();
  ASSERT_EQ(report.size(), 2U);
  EXPECT_GT(report[0], 0);
  EXPECT_EQ(report[1], 0) << "the other program ran";
}

TEST(LiveExec, TakesAnExecOfAnyThread) {
  LiveSession session(only_true(), kExecs, [] {
    const auto from_a_thread = [](const char* name) {
      return run_child([&] {
        std::thread thread([&] {
          char* const argv[] = {const_cast<char*>(name), nullptr};
          char* const environment[] = {nullptr};
          ::execve(kBusybox, argv, environment);
          ::_exit(100 + errno);
        });
        thread.join();
      });
    };
    std::vector<long> ends;
    for (int i = 0; i < 50; ++i) ends.push_back(from_a_thread("true"));
    ends.push_back(from_a_thread("false"));
    // Two at once: the kernel lets one of them be.
    for (int i = 0; i < 50; ++i) {
      ends.push_back(run_child([&] {
        char name[] = "true";
        char* const argv[] = {name, nullptr};
        char* const environment[] = {nullptr};
        std::thread other([&] { ::execve(kBusybox, argv, environment); });
        ::execve(kBusybox, argv, environment);
        other.join();
      }));
    }
    return ends;
  });
  const auto [report, events] = session.run_to_end();
  ASSERT_EQ(report.size(), 101U);
  for (const auto& event : events) {
    EXPECT_NE(event["verdict"], "killed") << event;
  }
  for (std::size_t i = 0; i < report.size(); ++i) EXPECT_EQ(report[i], i == 50 ? 100 + EACCES : 0) << i;
}

// The state of a process's first thread, as /proc/PID/stat has it.
char state_of(pid_t process) {
  const auto stat = sys::read_file("/proc/" + std::to_string(process) + "/stat");
  return stat ? stat->at(stat->rfind(')') + 2) : '?';
}

// A first thread that has exited is told of to its tracer only when all others have, and these may never.
TEST(LiveExec, IsNotHeldByAFirstThreadThatExits) {
  testing::TemporaryFolder folder;
  const std::string file = folder.path() + "/empty";
  std::ofstream(file) << "neither ELF nor script";
  ASSERT_EQ(::chmod(file.c_str(), 0755), 0);
  struct Progress {
    std::atomic<pid_t> process{0};
    std::atomic<bool> let_go{false};
  };
  void* memory = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto& progress = *new (memory) Progress;
  const auto deadline = [] { return std::chrono::steady_clock::now() + std::chrono::seconds(5); };
  // Late enough to find the thread that had failed to execute gone, or about to go.
  FaultyKernel kernel([&](std::string_view name) {
    if (name == "detach") progress.let_go = true;
    if (name != "interrupt") return 0;
    for (const auto end = deadline(); std::chrono::steady_clock::now() < end; std::this_thread::yield()) {
      if (const char state = state_of(progress.process); state == 'Z' || state == 't') break;
    }
    return 0;
  });
  LiveSession session(R"({"version": 1, "exec": {"allow": ["**"]}})", kExecs,
                      [&]() -> std::vector<long> {
                        const pid_t process = ::fork();
                        if (process == 0) {
                          progress.process = ::getpid();
                          std::thread([] { ::pause(); }).detach();
                          char name[] = "x";
                          char* const argv[] = {name, nullptr};
                          char* const environment[] = {nullptr};
                          ::execve(file.c_str(), argv, environment);
                          ::syscall(SYS_exit, 0);
                        }
                        for (const auto end = deadline();
                             !progress.let_go && std::chrono::steady_clock::now() < end;) {
                          std::this_thread::yield();
                        }
                        const long let_go = progress.let_go ? 1 : 0;
                        ::kill(process, SIGKILL);
                        return {let_go, end_of(process)};
                      },
                      &kernel);
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{1, kKilled + SIGKILL}));
}

TEST(LiveExec, SpawnsAndSearchesThePath) {
  LiveSession session(only_true(), kExecs, [] {
    std::vector<long> ends;
    char name[] = "true";
    char* const argv[] = {name, nullptr};
    char path[] = "PATH=/nowhere:/etc/passwd:/bin";
    char* const environment[] = {path, nullptr};
    ::putenv(path);
    for (int i = 0; i < 20; ++i) {
      pid_t child = 0;
      const int error = ::posix_spawnp(&child, "busybox", nullptr, nullptr, argv, environment);
      ends.push_back(error != 0 ? 100 + error : end_of(child));
    }
    return ends;
  });
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, std::vector<long>(20, 0));
  EXPECT_EQ(events.size(), 20U) << "a search along PATH is no event";
}

TEST(LiveExec, TakesEveryFormOfExecveat) {
  LiveSession session(only_true(), kExecs, []() -> std::vector<long> {
    char name[] = "true";
    char* const argv[] = {name, nullptr};
    char* const environment[] = {nullptr};
    const int directory = ::open("/bin", O_PATH | O_DIRECTORY);
    const int file = ::open(kBusybox, O_RDONLY);
    const int memory = ::memfd_create("busybox", 0);
    {
      std::ifstream from(kBusybox, std::ios::binary);
      std::ofstream("/proc/self/fd/" + std::to_string(memory), std::ios::binary) << from.rdbuf();
    }
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    const std::string memory_link = "/proc/self/fd/" + std::to_string(memory);
    const auto at = [&](int from, const char* path, int flags) {
      return run_child([&] { ::syscall(SYS_execveat, from, path, argv, environment, flags); });
    };
    return {
        at(directory, "busybox", 0),
        at(directory, "../bin/busybox", 0),
        at(file, "", AT_EMPTY_PATH),
        run_child([&] { ::execve(link.c_str(), argv, environment); }),
        run_child([&] {
          if (::chdir("/bin") != 0) ::_exit(99);
          ::execve("./busybox", argv, environment);
        }),
        at(memory, "", AT_EMPTY_PATH),
        run_child([&] { ::execve(memory_link.c_str(), argv, environment); }),
        at(file, "", 0),
        at(-1, "busybox", 0),
        at(directory, "busybox", 0x4000000),
    };
  });
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, (std::vector<long>{0, 0, 0, 0, 0, 100 + EACCES, 100 + EACCES, 100 + ENOENT, 100 + EBADF,
                                       100 + EINVAL}));
}

TEST(LiveExec, RefusesWhomADebuggerHolds) {
  LiveSession session(only_true(), kExecs, []() -> std::vector<long> {
    const pid_t child = ::fork();
    if (child == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      char name[] = "true";
      char* const argv[] = {name, nullptr};
      char* const environment[] = {nullptr};
      ::execve(kBusybox, argv, environment);
      ::_exit(100 + errno);
    }
    return {end_of(child)};
  });
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, std::vector<long>{100 + EPERM});
  const auto* denied = find_event(events, "denied");
  ASSERT_NE(denied, nullptr);
  EXPECT_NE((*denied)["reason"].get<std::string>().find("cannot be traced"), std::string::npos);
}

TEST(LiveExec, SurvivesAStormOfSignals) {
  LiveSession session(only_true(), kExecs, []() -> std::vector<long> {
    long good = 0;
    for (int i = 0; i < 200; ++i) {
      const long end = run_child([] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        action.sa_flags = SA_RESTART;
        ::sigaction(SIGALRM, &action, nullptr);
        const struct itimerval often = {{0, 300}, {0, 300}};
        char name[] = "true";
        char* const argv[] = {name, nullptr};
        char* const environment[] = {nullptr};
        ::setitimer(ITIMER_REAL, &often, nullptr);
        ::execve(kBusybox, argv, environment);
      });
      // The timer outlives the exec, and the handler does not.
      if (end == 0 || end == kKilled + SIGALRM) ++good;
    }
    return {good};
  });
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, std::vector<long>{200});
}

TEST(LiveExec, StopsAndGoesOnAsWithoutAPolicy) {
  LiveSession session(only_true(), kExecs, []() -> std::vector<long> {
    std::vector<long> ends;
    for (int i = 0; i < 100; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        char name[] = "true";
        char* const argv[] = {name, nullptr};
        char* const environment[] = {nullptr};
        ::execve(kBusybox, argv, environment);
        ::_exit(100 + errno);
      }
      ::kill(child, SIGSTOP);
      int status = 0;
      ::waitpid(child, &status, WUNTRACED);
      if (WIFSTOPPED(status)) {
        ::kill(child, SIGCONT);
        ends.push_back(end_of(child));
      } else {
        ends.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : kKilled);
      }
    }
    return ends;
  });
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, std::vector<long>(100, 0));
}

TEST(LiveExec, LetsEverythingRunInAuditModeWhateverItCannotFindOut) {
  for (const char* failing : {"read_memory", "open_component", "first_bytes", "seize"}) {
    FaultyKernel kernel([&](std::string_view name) { return name == failing ? EMFILE : 0; });
    std::string audit = only_true();
    audit.insert(audit.size() - 1, R"(, "mode": "audit")");
    LiveSession session(
        audit, kExecs,
        [] {
          return std::vector<long>{run(kBusybox, {"true"}), run(kBusybox, {"false"})};
        },
        &kernel);
    EXPECT_EQ(session.run_to_end().report, (std::vector<long>{0, 1})) << failing;
  }
}

// What the agent calls for a program that is refused and one that is allowed, `fault` deciding what fails.
void expect_refused_never_runs(const FaultyKernel::Fault& fault) {
  FaultyKernel kernel(fault);
  LiveSession session(
      only_true(), kExecs,
      [] {
        ::alarm(10);
        return std::vector<long>{run(kBusybox, {"false"}), run(kBusybox, {"true"})};
      },
      &kernel);
  const auto [report, events] = session.run_to_end();
  ASSERT_EQ(report.size(), 2U) << "it was left in its call";
  EXPECT_NE(report[0], 1) << "what was refused ran";
}

// Each call that the agent makes fails in turn, and each reading is cut: what is refused never runs, what is
// allowed runs or fails, and nobody waits for ever.
TEST(LiveExec, FailsClosedWhicheverCallFails) {
  std::set<std::string> all;
  {
    std::mutex mutex;
    expect_refused_never_runs([&](std::string_view name) {
      const std::lock_guard lock(mutex);
      all.emplace(name);
      return 0;
    });
  }
  for (const char* name : {"read_memory", "first_bytes", "read_proc_file", "seize", "wait", "detach",
                           "answer_errno", "answer_continue"}) {
    EXPECT_TRUE(all.contains(name)) << name;
  }
  for (const int code :
       {EPERM, ESRCH, EMFILE, ENOMEM, EINTR, EFAULT, FaultyKernel::kHalf, FaultyKernel::kNothing}) {
    for (const std::string& name : all) {
      if (code < 0 && !FaultyKernel::reads(name)) continue;
      // Its first call, its second, and so on.
      for (int failing = 0;; ++failing) {
        SCOPED_TRACE(name + " " + std::to_string(failing) + ": " + std::to_string(code));
        std::atomic<int> calls{0};
        expect_refused_never_runs(
            [&](std::string_view called) { return called == name && calls++ == failing ? code : 0; });
        if (HasFatalFailure()) return;
        if (calls <= failing) {
          EXPECT_GT(failing, 0) << "it never failed";
          break;
        }
        ASSERT_LT(failing, 100);
      }
    }
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor
