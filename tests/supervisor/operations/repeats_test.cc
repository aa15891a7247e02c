#include <gtest/gtest.h>

#include <cerrno>

#include "supervisor/operations/operation.h"

namespace tidewaiter::supervisor {
namespace {

PerformedCall call_on(std::uint64_t cookie, std::byte address = std::byte{1}) {
  return {100, 42, cookie, {address}};
}

TEST(Repeats, GivesTheLostAnswerOnce) {
  Repeats repeats;
  repeats.remember(call_on(1), Answer::refuse(EINPROGRESS));
  const auto lost = repeats.take(call_on(1));
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->kind, Answer::Kind::kErrno);
  EXPECT_EQ(lost->errno_value, EINPROGRESS);
  EXPECT_FALSE(repeats.take(call_on(1)));
}

TEST(Repeats, RecognisesNothingThatDiffers) {
  PerformedCall other_tid = call_on(1);
  other_tid.tid = 101;
  PerformedCall other_call = call_on(1);
  other_call.number = 43;
  PerformedCall longer = call_on(1);
  longer.address.push_back(std::byte{0});
  for (const PerformedCall& other : {other_tid, other_call, longer, call_on(2), call_on(1, std::byte{2})}) {
    Repeats repeats;
    repeats.remember(call_on(1), Answer::result(0));
    EXPECT_FALSE(repeats.take(other));
  }
}

// Else a datagram socket that was connected elsewhere in between would stay connected there.
TEST(Repeats, ForgetsACallOnceTheSocketWasPutToAnotherUse) {
  Repeats repeats;
  repeats.remember(call_on(1), Answer::result(0));
  repeats.remember(call_on(2), Answer::result(0));
  EXPECT_FALSE(repeats.take(call_on(1, std::byte{2})));
  EXPECT_FALSE(repeats.take(call_on(1)));
  EXPECT_TRUE(repeats.take(call_on(2)));
}

TEST(Repeats, RemembersNoSocketThatCannotBeToldFromAnother) {
  Repeats repeats;
  repeats.remember(call_on(0), Answer::result(0));
  EXPECT_FALSE(repeats.take(call_on(0)));
}

TEST(Repeats, RemembersTheLast64) {
  Repeats repeats;
  for (std::uint64_t cookie = 1; cookie <= 100; ++cookie)
    repeats.remember(call_on(cookie), Answer::result(0));
  int taken = 0;
  for (std::uint64_t cookie = 1; cookie <= 100; ++cookie) {
    const bool found = repeats.take(call_on(cookie)).has_value();
    EXPECT_EQ(found, cookie > 36) << cookie;
    taken += found ? 1 : 0;
  }
  EXPECT_EQ(taken, 64);
}

}  // namespace
}  // namespace tidewaiter::supervisor
