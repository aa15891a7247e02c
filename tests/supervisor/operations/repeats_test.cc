#include "supervisor/operations/repeats.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/supervisor/supervised_call.h"

namespace tidewaiter::supervisor {
namespace {

PerformedCall call_on(std::uint64_t cookie, std::byte address = std::byte{1}) {
  return {100, 42, cookie, {address}};
}

TEST(Repeats, GivesTheLostAnswerUntilItIsForgotten) {
  LostAnswersRoom room;
  Repeats repeats(room);
  PerformedCall call = call_on(1);
  call.last_length = 9;
  repeats.remember(call, Answer::refuse(EINPROGRESS));
  std::uint32_t last_length = 0;
  for (int i = 0; i < 2; ++i) {
    const auto lost = repeats.find(call_on(1), &last_length);
    ASSERT_TRUE(lost);
    EXPECT_EQ(lost->kind, Answer::Kind::kErrno);
    EXPECT_EQ(lost->errno_value, EINPROGRESS);
    EXPECT_EQ(last_length, 9U);
  }
  repeats.forget(call_on(1));
  EXPECT_FALSE(repeats.find(call_on(1)));
}

TEST(Repeats, OutliveWhoRemembered) {
  LostAnswersRoom room;
  Repeats(room).remember(call_on(1), Answer::result(3));
  const auto lost = Repeats(room).find(call_on(1));
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->value, 3);
  Repeats(room).forget(call_on(1));
  EXPECT_FALSE(Repeats(room).find(call_on(1)));
}

TEST(Repeats, RecognisesNothingThatDiffers) {
  PerformedCall other_tid = call_on(1);
  other_tid.tid = 101;
  PerformedCall other_call = call_on(1);
  other_call.number = 43;
  PerformedCall longer = call_on(1);
  longer.address.push_back(std::byte{0});
  for (const PerformedCall& other : {other_tid, other_call, longer, call_on(2), call_on(1, std::byte{2})}) {
    LostAnswersRoom room;
    Repeats repeats(room);
    repeats.remember(call_on(1), Answer::result(0));
    repeats.forget(other);
    EXPECT_FALSE(repeats.find(other));
    repeats.remember(call_on(1), Answer::result(0));
    EXPECT_TRUE(repeats.find(call_on(1)));
  }
}

// Else a datagram socket that was connected elsewhere in between would stay connected there.
TEST(Repeats, ForgetsACallOnceTheSocketWasPutToAnotherUse) {
  LostAnswersRoom room;
  Repeats repeats(room);
  repeats.remember(call_on(1), Answer::result(0));
  repeats.remember(call_on(2), Answer::result(0));
  EXPECT_FALSE(repeats.find(call_on(1, std::byte{2})));
  EXPECT_FALSE(repeats.find(call_on(1)));
  EXPECT_TRUE(repeats.find(call_on(2)));
}

TEST(Repeats, LeavesAnotherThreadsCallThatIsItsAlone) {
  PerformedCall others = call_on(1);
  others.tid = 101;
  for (const bool alone : {false, true}) {
    LostAnswersRoom room;
    Repeats repeats(room);
    others.of_thread_alone = alone;
    repeats.remember(others, Answer::result(0));
    EXPECT_FALSE(repeats.find(call_on(1)));
    EXPECT_EQ(repeats.find(others).has_value(), alone);
  }
}

TEST(Repeats, RemembersNoSocketThatCannotBeToldFromAnother) {
  LostAnswersRoom room;
  Repeats repeats(room);
  repeats.remember(call_on(0), Answer::result(0));
  EXPECT_FALSE(repeats.find(call_on(0)));
}

TEST(Repeats, RemembersTheLast64) {
  LostAnswersRoom room;
  Repeats repeats(room);
  for (std::uint64_t cookie = 1; cookie <= 100; ++cookie)
    repeats.remember(call_on(cookie), Answer::result(0));
  for (std::uint64_t cookie = 1; cookie <= 100; ++cookie) {
    EXPECT_EQ(repeats.find(call_on(cookie)).has_value(), cookie > 36) << cookie;
  }
}

TEST(Repeats, UsesTheRoomOfWhatIsForgotten) {
  LostAnswersRoom room;
  Repeats repeats(room);
  for (std::uint64_t cookie = 1; cookie <= 64; ++cookie) repeats.remember(call_on(cookie), Answer::result(0));
  repeats.forget(call_on(20));
  repeats.remember(call_on(100), Answer::result(0));
  EXPECT_TRUE(repeats.find(call_on(1)));
  EXPECT_TRUE(repeats.find(call_on(100)));
}

}  // namespace
}  // namespace tidewaiter::supervisor
