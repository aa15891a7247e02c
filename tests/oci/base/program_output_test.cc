#include "oci/base/program_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace tidewaiter {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

Result<std::string> output_of_shell(const std::string& script, Until until, std::size_t limit = 4096,
                                    milliseconds patience = minutes(1)) {
  return output_of({"/bin/sh", "-c", script}, until, limit, patience);
}

TEST(ProgramOutput, IsTheFirstLineOrAll) {
  EXPECT_EQ(output_of_shell("echo a; echo b", Until::kLineEnd).value(), "a");
  EXPECT_EQ(output_of_shell("echo a; echo b; exit 3", Until::kEnd).value(), "a\nb\n");
  EXPECT_EQ(output_of_shell("printf a", Until::kLineEnd).value(), "a");
  EXPECT_EQ(output_of_shell("echo error >&2; cat", Until::kEnd).value(), "");
}

TEST(ProgramOutput, WaitsNoLongerThanItHasTo) {
  // Neither for the program's end, nor for what it has started.
  EXPECT_EQ(output_of_shell("echo a; sleep 1000", Until::kLineEnd).value(), "a");
  EXPECT_EQ(output_of_shell("sleep 1000 & echo a; wait", Until::kLineEnd).value(), "a");
  const auto late = output_of_shell("sleep 1000", Until::kEnd, 4096, milliseconds(20));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ETIMEDOUT);
  EXPECT_THAT(late.error().message(), ::testing::HasSubstr("wait for /bin/sh -c sleep 1000"));
}

TEST(ProgramOutput, IsBounded) {
  const auto endless = output_of_shell("while :; do echo aaaaaaaaaaaaaaaa; done", Until::kEnd, 10'000);
  ASSERT_TRUE(endless);
  EXPECT_LT(endless->size(), 20'000U);
}

TEST(ProgramOutput, SaysWhyAProgramDoesNotStart) {
  const auto absent = output_of({"/no/such/program", "x"}, Until::kEnd, 1, minutes(1));
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ENOENT);
  EXPECT_EQ(absent.error().message(), "run /no/such/program x: No such file or directory");
}

}  // namespace
}  // namespace tidewaiter
