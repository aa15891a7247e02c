#include "oci/base/detached_process.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>

#include "oci/base/system.h"

namespace tidewaiter {
namespace {

// What `body` writes into its pipe, until it has ended.
class DetachedProcessTest : public ::testing::Test {
 protected:
  void SetUp() override { pipe_ = sys::pipe().value(); }

  std::string written() {
    pipe_.write_end.reset();
    return sys::read_all(pipe_.read_end.get()).value_or("error");
  }

  sys::Pipe pipe_;
};

TEST_F(DetachedProcessTest, HasASessionThatIsNotOurs) {
  const pid_t our_session = ::getsid(0);
  const auto process = DetachedProcess::start([&] {
    const bool apart = ::getsid(0) != our_session && ::getsid(0) == ::getpgid(0) && ::getsid(0) != ::getpid();
    static_cast<void>(sys::write_all(pipe_.write_end.get(), apart ? "apart" : "together"));
    ::_exit(0);
  });
  ASSERT_TRUE(process) << process.error().message();
  EXPECT_EQ(written(), "apart");
}

TEST_F(DetachedProcessTest, ExecutesAProgramFromOurMemory) {
  {
    const auto process = DetachedProcess::start(
        [&] {
          ::signal(SIGUSR1, SIG_IGN);
          ::umask(0);
          if (::chdir("/") != 0 || ::dup2(pipe_.write_end.get(), STDOUT_FILENO) < 0) ::_exit(1);
          ::execl("/bin/sh", "sh", "-c", "echo ran", nullptr);
          ::_exit(1);
        },
        DetachedProcess::Memory::kOurs);
    ASSERT_TRUE(process) << process.error().message();
  }
  EXPECT_EQ(written(), "ran\n");
  // What it did to itself it did not do to us.
  EXPECT_EQ(::signal(SIGUSR1, SIG_DFL), SIG_DFL);
  const mode_t mask = ::umask(022);
  ::umask(mask);
  EXPECT_NE(mask, 0U);
  EXPECT_NE(std::filesystem::current_path(), "/");
}

TEST_F(DetachedProcessTest, TellsWhenAProgramCannotBeExecutedFromOurMemory) {
  {
    const auto process = DetachedProcess::start([] { ::_exit(127); }, DetachedProcess::Memory::kOurs);
    ASSERT_TRUE(process);
    process->kill();  // it has ended already
  }
  EXPECT_EQ(written(), "");
}

TEST_F(DetachedProcessTest, IsNobodysChildAndGoesOnWithoutUs) {
  sys::Pipe go_on = sys::pipe().value();
  {
    const auto process = DetachedProcess::start([&] {
      go_on.write_end.reset();
      static_cast<void>(sys::read_all(go_on.read_end.get()));
      static_cast<void>(sys::write_all(pipe_.write_end.get(), "still here"));
      ::_exit(0);
    });
    ASSERT_TRUE(process);
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  go_on.write_end.reset();
  EXPECT_EQ(written(), "still here");
}

TEST_F(DetachedProcessTest, CanBeEndedWhileWeHoldIt) {
  const auto process = DetachedProcess::start([&] {
    for (;;) ::pause();
  });
  ASSERT_TRUE(process);
  process->kill();
  EXPECT_EQ(written(), "");
}

TEST_F(DetachedProcessTest, LeavesNoSignalPending) {
  sigset_t only;
  sigset_t before;
  ::sigemptyset(&only);
  ::sigaddset(&only, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &only, &before);
  {
    ASSERT_TRUE(DetachedProcess::start([] { ::_exit(0); }));
  }
  sigset_t pending;
  ::sigpending(&pending);
  EXPECT_EQ(::sigismember(&pending, SIGCHLD), 0);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(DetachedProcessTest, StartsForWhoIgnoresItsChildren) {
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  {
    const auto process = DetachedProcess::start([&] {
      static_cast<void>(sys::write_all(pipe_.write_end.get(), "started"));
      ::_exit(0);
    });
    EXPECT_TRUE(process);
  }
  EXPECT_EQ(written(), "started");
  ::signal(SIGCHLD, before);
}

}  // namespace
}  // namespace tidewaiter
