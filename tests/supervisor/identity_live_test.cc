#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <thread>

#include "supervisor/worker/identity_cache.h"
#include "tests/supervisor/live_target.h"

// The cache on the real kernel: whatever it says of a caller, /proc says at the same moment, while the caller
// waits.

namespace tidewaiter::supervisor {
namespace {

// Calls getppid(2), which notifies here.
long call() { return ::syscall(SYS_getppid); }

// Another program, that makes the call itself before anything else: dash wants to know $PPID.
[[noreturn]] void execute() {
  ::execl("/bin/dash", "dash", "-c", ":", nullptr);
  ::_exit(3);
}

// The listener's end, served by the test's own thread, one call at a time.
class Listener {
 public:
  explicit Listener(const Body& body, bool told_of_execs = true)
      : target_({SYS_getppid, SYS_execve, SYS_execveat}, body),
        notify_(target_.take_notify_fd()),
        cache_(system_kernel(), told_of_execs) {}

  struct Heard {
    int syscall = -1;  // -1: nobody is left to call
    pid_t tid = 0;
    bool known = false;  // without /proc
    Identity told;
  };

  // Hears the next call, and lets it run unless `hold`.
  Heard next(bool hold = false) {
    for (;;) {
      Heard heard;
      struct pollfd ready = {notify_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 10'000) != 1 || (ready.revents & POLLIN) == 0) return heard;
      auto buffer = seccomp::NotificationBuffer::make();
      if (!buffer || !system_kernel().receive(notify_.get(), *buffer)) continue;  // it was killed meanwhile
      auto notification = std::make_unique<Notification>(system_kernel(), notify_.get(), buffer->get());
      heard.syscall = notification->call().nr;
      heard.tid = notification->tid();
      Target target(system_kernel(), heard.tid);
      auto known = cache_.find(heard.tid, std::chrono::steady_clock::now());
      heard.known = known.has_value();
      const Identity truth = target.identity();
      heard.told = known ? *known : cache_.read(*notification, target);
      // Who is killed while all that is read is nobody.
      if (!notification->still_stands()) continue;
      EXPECT_EQ(heard.told.pid, truth.pid);
      EXPECT_EQ(heard.told.parent_pid, truth.parent_pid);
      EXPECT_EQ(heard.told.executable, truth.executable);
      if (heard.syscall == SYS_execve) cache_.executing(*notification, heard.told);
      if (hold) {
        held_ = std::move(notification);
      } else {
        (void)notification->answer(Answer::let_run(), target);
      }
      return heard;
    }
  }

  // Lets the call run that was held.
  void let_go() {
    Target target(system_kernel(), held_->tid());
    EXPECT_TRUE(held_->answer(Answer::let_run(), target));
    held_.reset();
  }

  // Hears calls until a thread is known, at most a few.
  void expect_known() {
    Heard heard;
    for (int i = 0; i < 3; ++i) heard = next();
    EXPECT_TRUE(heard.known);
  }

  [[nodiscard]] seccomp::Child& child() { return target_.child(); }

 private:
  LiveTarget target_;
  UniqueFd notify_;
  IdentityCache cache_;
  std::unique_ptr<Notification> held_;
};

void call_until_known() {
  for (int i = 0; i < 3; ++i) call();
}

TEST(IdentityCache, KnowsWhoCallsAgain) {
  Listener listener([] {
    call_until_known();
    return std::vector<long>{call()};
  });
  listener.expect_known();
  const auto heard = listener.next();
  EXPECT_TRUE(heard.known);
  EXPECT_EQ(heard.told.pid, listener.child().pid());
  EXPECT_EQ(heard.told.parent_pid, ::getpid());
  EXPECT_EQ(listener.child().result(), ::getpid());
}

// The filter tells of each execve here as well, but nobody tells the cache.
TEST(IdentityCache, SeesAnotherProgramWhereAnExecveGoesUnheard) {
  Listener listener(
      []() -> std::vector<long> {
        call_until_known();
        execute();
      },
      false);
  listener.expect_known();
  EXPECT_EQ(listener.next().syscall, SYS_execve);
  const auto heard = listener.next();
  EXPECT_EQ(heard.syscall, SYS_getppid);
  EXPECT_FALSE(heard.known);
  EXPECT_TRUE(heard.told.executable.ends_with("/dash")) << heard.told.executable;
}

// The program is the other's still, in whose memory the caller was made.
TEST(IdentityCache, SeesAnotherProgramOfWhoSharedItsMemory) {
  Listener listener(
      []() -> std::vector<long> {
        const pid_t child = ::vfork();  // NOLINT(*-unsafe-functions): what is tested
        if (child == 0) {
          call_until_known();
          execute();
        }
        int status = 0;
        return {::waitpid(child, &status, 0)};
      },
      false);
  listener.expect_known();
  EXPECT_EQ(listener.next().syscall, SYS_execve);
  const auto heard = listener.next();
  EXPECT_FALSE(heard.known);
  EXPECT_TRUE(heard.told.executable.ends_with("/dash")) << heard.told.executable;
}

TEST(IdentityCache, ForgetsAProcessThatExecutesAnotherProgram) {
  Listener listener([]() -> std::vector<long> {
    call_until_known();
    execute();
  });
  listener.expect_known();
  EXPECT_EQ(listener.next().syscall, SYS_execve);
  const auto heard = listener.next();
  EXPECT_EQ(heard.syscall, SYS_getppid);
  EXPECT_FALSE(heard.known);
  EXPECT_EQ(heard.told.pid, listener.child().pid());
  EXPECT_TRUE(heard.told.executable.ends_with("/dash")) << heard.told.executable;
}

TEST(IdentityCache, ForgetsTheProcessOfAThreadThatExecutesAnotherProgram) {
  Listener listener([]() -> std::vector<long> {
    call_until_known();
    std::thread([] {
      call();
      execute();
    }).join();
    return {};
  });
  listener.expect_known();
  EXPECT_NE(listener.next().tid, listener.child().pid());
  EXPECT_EQ(listener.next().syscall, SYS_execve);
  // It has the number of the first thread now.
  const auto heard = listener.next();
  EXPECT_EQ(heard.tid, listener.child().pid());
  EXPECT_FALSE(heard.known);
  EXPECT_TRUE(heard.told.executable.ends_with("/dash")) << heard.told.executable;
}

TEST(IdentityCache, KeepsNothingOfAProcessWhileAnExecveOfItIsUnderWay) {
  Listener listener([]() -> std::vector<long> {
    std::atomic<bool> begun = false;
    std::thread other([&] {
      begun = true;
      execute();
    });
    while (!begun) std::this_thread::yield();
    for (;;) call();
  });
  // The first calls are the first thread's, or the execve comes first: whichever, it is held.
  for (;;) {
    if (listener.next(true).syscall == SYS_execve) break;
    listener.let_go();
  }
  // Held apart from the others: the execve's notification stays open.
  for (int i = 0; i < 5; ++i) {
    const auto heard = listener.next();
    ASSERT_EQ(heard.syscall, SYS_getppid);
    EXPECT_FALSE(heard.known) << i;
  }
  listener.let_go();
  // The first thread may have called before it was ended; all that matters is what dash is said to be.
  bool dash = false;
  for (int i = 0; i < 1000 && !dash; ++i) {
    const auto heard = listener.next();
    if (heard.syscall == -1) break;
    dash = heard.told.executable.ends_with("/dash");
    EXPECT_FALSE(heard.known);
  }
  EXPECT_TRUE(dash);
}

// What is known of who executes was read when it had no thread beside it.
TEST(IdentityCache, KeepsNothingOfAProcessThatWasOneThreadWhenItWasRead) {
  Listener listener([]() -> std::vector<long> {
    call_until_known();
    std::thread([] {
      for (;;) call();
    }).detach();
    execute();
  });
  listener.expect_known();
  Listener::Heard heard;
  while (heard.syscall != SYS_execve) {
    if (heard.syscall != -1) listener.let_go();
    heard = listener.next(true);
  }
  EXPECT_TRUE(heard.known);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(listener.next().known) << i;
  listener.let_go();
}

TEST(IdentityCache, KnowsAProcessAgainWhoseExecveHasFailed) {
  Listener listener([]() -> std::vector<long> {
    std::atomic<int> step = 0;
    std::thread other([&] {
      ::execl("/nowhere", "nowhere", nullptr);
      call();  // tells that it is over
      step = 1;
    });
    while (step == 0) std::this_thread::yield();
    for (int i = 0; i < 4; ++i) call();
    other.join();
    return {0};
  });
  EXPECT_EQ(listener.next().syscall, SYS_execve);
  EXPECT_NE(listener.next().tid, listener.child().pid());
  listener.expect_known();
}

TEST(IdentityCache, SeesThatAParentHasGone) {
  Listener listener([]() -> std::vector<long> {
    const auto orphan = sys::pipe();
    const pid_t middle = ::fork();
    if (middle == 0) {
      if (::fork() != 0) {
        char go = 0;
        (void)!::read(orphan->read_end.get(), &go, 1);
        ::_exit(0);
      }
      const pid_t parent = static_cast<pid_t>(call());
      const auto pidfd = sys::pidfd_open(parent);
      call_until_known();
      (void)!::write(orphan->write_end.get(), "x", 1);
      // Its new parent may be outside: that is not looked at here.
      struct pollfd gone = {pidfd->get(), POLLIN, 0};
      ::poll(&gone, 1, -1);
      call();
      ::_exit(0);
    }
    int status = 0;
    return {::waitpid(middle, &status, 0)};
  });
  listener.next();
  listener.expect_known();
  const auto heard = listener.next();
  EXPECT_FALSE(heard.known);
}

// --- the same number, another task ---

// Runs in a pid namespace of its own; its number is 1, and /proc shows the namespace.
int reuse_a_number() {
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("proc", "/proc", "proc", 0, nullptr) != 0) {
    return 77;
  }
  Listener listener([]() -> std::vector<long> {
    int status = 0;
    const pid_t first = ::fork();
    if (first == 0) {
      for (int i = 0; i < 4; ++i) call();
      ::_exit(0);
    }
    ::waitpid(first, &status, 0);
    // Another parent, so that it shows who is taken for whom.
    const pid_t between = ::fork();
    if (between != 0) {
      ::waitpid(between, &status, 0);
      return {first};
    }
    const auto last = sys::open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
    if (!last || !sys::write_all(last->get(), std::to_string(first - 1))) ::_exit(4);
    const pid_t second = ::fork();
    if (second == 0) {
      call();
      ::_exit(0);
    }
    ::waitpid(second, &status, 0);
    ::_exit(second == first ? 0 : 5);
  });
  listener.next();
  listener.expect_known();
  const auto heard = listener.next();
  const auto report = listener.child().report();
  EXPECT_EQ(report.size(), 1U);
  EXPECT_EQ(report.empty() ? 0 : report[0], heard.tid) << "no number was used again";
  EXPECT_FALSE(heard.known);
  return ::testing::Test::HasFailure() ? 1 : 0;
}

TEST(IdentityCache, TakesNoTaskForAnotherThatHadItsNumber) {
  const pid_t outside = ::fork();
  ASSERT_GE(outside, 0);
  if (outside == 0) {
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) ::_exit(77);
    const pid_t inside = ::fork();
    if (inside == 0) ::_exit(reuse_a_number());
    int status = 0;
    ::waitpid(inside, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(outside, &status, 0), outside);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no pid namespace can be had";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace tidewaiter::supervisor
