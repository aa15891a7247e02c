#include "oci/base/result.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "oci/base/unique_fd.h"

namespace tidewaiter {
namespace {

Status succeed_or_fail(bool succeed) {
  if (!succeed) return fail(ENOENT, "open file");
  return {};
}

Result<int> seven_or_fail(bool succeed) {
  TRY(succeed_or_fail(succeed));
  return 7;
}

Result<UniqueFd> moved_through(Result<UniqueFd> fd) { return TRY(std::move(fd)); }

TEST(Result, TellsContextOutermostFirst) {
  const auto result = in_context("read settings", in_context("load", seven_or_fail(false)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "read settings: load: open file: No such file or directory");
  EXPECT_EQ(result.error().code, ENOENT);
}

TEST(Result, TellsAFaultInTheInputWithoutErrno) {
  const Status result = fail("expected a string");
  EXPECT_EQ(result.error().message(), "expected a string");
  EXPECT_EQ(result.error().code, 0);
}

TEST(Try, PassesValuesOnAndReturnsErrors) {
  EXPECT_EQ(seven_or_fail(true).value(), 7);
  EXPECT_FALSE(seven_or_fail(false));
}

TEST(Try, MovesWhatCanOnlyBeMoved) {
  const int number = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(number, 0);
  const auto fd = moved_through(UniqueFd(number));
  ASSERT_TRUE(fd);
  EXPECT_EQ(fd->get(), number);
  EXPECT_GE(::fcntl(number, F_GETFD), 0) << "still open";
}

TEST(UniqueFd, ClosesWhatItOwnsOnceAndKeepsErrno) {
  const int first = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int second = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(first, 0);
  ASSERT_GE(second, 0);
  UniqueFd fd(first);
  errno = EXDEV;
  fd = UniqueFd(second);
  EXPECT_EQ(errno, EXDEV);
  EXPECT_EQ(::fcntl(first, F_GETFD), -1) << "the move assignment closes what was owned before";
  EXPECT_EQ(fd.get(), second);
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_GE(::fcntl(second, F_GETFD), 0) << "assigning to itself keeps it";
  fd.reset();
  EXPECT_EQ(::fcntl(second, F_GETFD), -1);
  EXPECT_FALSE(fd.valid());
}

}  // namespace
}  // namespace tidewaiter
