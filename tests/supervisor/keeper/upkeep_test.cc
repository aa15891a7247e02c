#include "supervisor/keeper/upkeep.h"

#include <gtest/gtest.h>

#include <utility>

namespace tidewaiter::supervisor {
namespace {

using State = Upkeep::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A clock that goes on when it is told to.
class UpkeepAt {
 public:
  UpkeepAt() { upkeep.set_patience(kPatience); }
  void pass(Upkeep::Duration time) { now += time; }
  // One starts, serves for that long and dies.
  void live(Upkeep::Duration time) {
    upkeep.started(now);
    upkeep.serving(now);
    pass(time);
    upkeep.ended(now);
  }
  void die_at_start() {
    upkeep.started(now);
    upkeep.ended(now);
  }
  [[nodiscard]] bool gives_up() const {
    const auto at = upkeep.give_up_at();
    return at && now >= *at;
  }

  static constexpr seconds kPatience{60};
  Upkeep upkeep;
  Upkeep::Time now{seconds(1000)};
};

TEST(Upkeep, StartsTheNextOneAtOnceAfterALongLife) {
  UpkeepAt test;
  for (int i = 0; i < 100; ++i) {
    test.live(seconds(1));
    EXPECT_EQ(test.upkeep.state(), State::kNone);
    EXPECT_EQ(test.upkeep.start_at(), test.now);
    EXPECT_FALSE(test.upkeep.in_vain());
  }
}

TEST(Upkeep, KnowsHowLongALifeIsShortForIt) {
  Upkeep upkeep{seconds(1)};
  Upkeep::Time now{seconds(1000)};
  for (const auto& [life, in_vain] : {std::pair{milliseconds(999), true}, {milliseconds(1000), false}}) {
    upkeep.started(now);
    upkeep.serving(now);
    now += life;
    upkeep.ended(now);
    EXPECT_EQ(upkeep.in_vain(), in_vain) << life.count();
  }
}

TEST(Upkeep, StartsLaterAndLaterWhatDiesAtOnce) {
  UpkeepAt test;
  Upkeep::Duration before{0};
  for (unsigned i = 1; i <= 20; ++i) {
    test.die_at_start();
    const auto delay = test.upkeep.start_at() - test.now;
    EXPECT_EQ(delay > Upkeep::Duration(0), i > Upkeep::kShortLives) << i;
    EXPECT_GE(delay, before);
    before = delay;
  }
  EXPECT_EQ(before, Upkeep::kLongestDelay);
  EXPECT_TRUE(test.upkeep.in_vain());
  test.live(seconds(1));
  EXPECT_EQ(test.upkeep.start_at(), test.now);
}

TEST(Upkeep, GivesUpWhenNoneHasStartedForThatLong) {
  UpkeepAt test;
  test.live(seconds(500));
  EXPECT_FALSE(test.gives_up());
  test.pass(UpkeepAt::kPatience - milliseconds(1));
  test.die_at_start();
  EXPECT_FALSE(test.gives_up());
  test.pass(milliseconds(1));
  EXPECT_TRUE(test.gives_up());
}

// To say that one is ready is not to serve: what it finds may kill it every time.
TEST(Upkeep, GivesUpOnThoseThatServeForAMomentOnly) {
  UpkeepAt test;
  test.live(seconds(500));
  for (int i = 0; i < 59; ++i) {
    test.live(milliseconds(5));
    test.pass(seconds(1));
    EXPECT_FALSE(test.gives_up()) << i;
  }
  test.live(milliseconds(5));
  test.pass(seconds(1));
  EXPECT_TRUE(test.gives_up());
}

TEST(Upkeep, GivesUpOnOneThatHangs) {
  UpkeepAt test;
  test.live(seconds(500));
  test.upkeep.started(test.now);
  EXPECT_EQ(test.upkeep.overdue_at(test.now), test.now + UpkeepAt::kPatience / 2);
  test.pass(UpkeepAt::kPatience);
  EXPECT_TRUE(test.gives_up());
  // Killed, it may still not end: the kernel waits for a file system.
  test.upkeep.killed(test.now);
  EXPECT_EQ(test.upkeep.state(), State::kDying);
  EXPECT_TRUE(test.gives_up());
}

TEST(Upkeep, ForgetsWhatFailedBeforeOneThatServed) {
  UpkeepAt test;
  test.die_at_start();
  test.pass(seconds(59));
  test.upkeep.started(test.now);
  test.upkeep.serving(test.now);
  test.pass(seconds(3600));
  EXPECT_FALSE(test.gives_up());
  // A successor is ready, and takes its place.
  test.upkeep.killed(test.now);
  test.upkeep.ended(test.now);
  test.upkeep.started(test.now);
  EXPECT_FALSE(test.gives_up());
  EXPECT_FALSE(test.upkeep.in_vain());
  test.pass(UpkeepAt::kPatience - milliseconds(1));
  EXPECT_FALSE(test.gives_up());
}

TEST(Upkeep, CountsADeathOnceThatWasAnnounced) {
  UpkeepAt test;
  test.upkeep.started(test.now);
  test.upkeep.killed(test.now);
  test.upkeep.killed(test.now);
  test.upkeep.ended(test.now);
  for (unsigned i = 1; i < Upkeep::kShortLives; ++i) test.die_at_start();
  EXPECT_EQ(test.upkeep.start_at(), test.now);
}

TEST(Upkeep, DoesNotMindThatNoneWasMissed) {
  UpkeepAt test;
  test.live(seconds(500));
  test.pass(seconds(3600));
  test.upkeep.missed();
  test.upkeep.ended(test.now);  // it cannot be started
  EXPECT_FALSE(test.gives_up());
}

}  // namespace
}  // namespace tidewaiter::supervisor
