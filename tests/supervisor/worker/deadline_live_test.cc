#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "supervisor/worker/deadline.h"
#include "tests/supervisor/live_target.h"

namespace tidewaiter::supervisor {
namespace {

using std::chrono::seconds;

std::vector<long> wait_for_ever() {
  ::pause();
  return {};
}

// Whether it passes within ten seconds.
bool comes(const Deadline& deadline) {
  struct pollfd timer {
    .fd = deadline.timer(), .events = POLLIN, .revents = 0
  };
  return ::poll(&timer, 1, 10'000) == 1;
}

TEST(LiveDeadline, PassesAgainAndAgain) {
  LiveTarget target({SYS_getpgid}, wait_for_ever);
  const UniqueFd notify_fd = target.take_notify_fd();
  const auto begun = std::chrono::steady_clock::now();
  const auto deadline = Deadline::set(target.child().pid(), notify_fd.get(), seconds(1), seconds(1));
  ASSERT_TRUE(deadline && *deadline);
  EXPECT_FALSE((*deadline)->passed());
  for (const int times : {1, 2}) {
    ASSERT_TRUE(comes(**deadline));
    EXPECT_GE(std::chrono::steady_clock::now() - begun, seconds(times));
    EXPECT_TRUE((*deadline)->passed());
    EXPECT_FALSE((*deadline)->passed()) << "once for each time";
  }
}

TEST(LiveDeadline, KnowsItsProcessUntilThatHasEnded) {
  LiveTarget target({SYS_getpgid}, wait_for_ever);
  const UniqueFd notify_fd = target.take_notify_fd();
  const auto deadline = Deadline::set(target.child().pid(), notify_fd.get(), seconds(1000), seconds(10));
  ASSERT_TRUE(deadline && *deadline);
  EXPECT_EQ((*deadline)->first_pid(), target.child().pid());
  EXPECT_TRUE((*deadline)->signal(SIGTERM));
  EXPECT_EQ(WTERMSIG(target.child().wait()), SIGTERM);
  EXPECT_EQ((*deadline)->first_pid(), 0);
  EXPECT_EQ((*deadline)->signal(SIGTERM).error().code, ESRCH);
}

// Its number may be another's by now.
TEST(LiveDeadline, TouchesNobodyWhereTheContainerHasGone) {
  LiveTarget target({SYS_getpgid}, [] { return std::vector<long>{}; });
  const UniqueFd notify_fd = target.take_notify_fd();
  EXPECT_EQ(target.child().wait(), 0);
  const auto deadline = Deadline::set(::getpid(), notify_fd.get(), seconds(1000), seconds(10));
  ASSERT_TRUE(deadline);
  EXPECT_FALSE(*deadline);
}

TEST(LiveDeadline, IsNotSetForNobody) {
  LiveTarget target({SYS_getpgid}, wait_for_ever);
  const UniqueFd notify_fd = target.take_notify_fd();
  const auto deadline = Deadline::set(0, notify_fd.get(), seconds(1000), seconds(10));
  ASSERT_FALSE(deadline);
  EXPECT_EQ(deadline.error().message(), "the runtime does not name the container's first process");
}

}  // namespace
}  // namespace tidewaiter::supervisor
