#include "supervisor/waiting.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <thread>

#include "oci/base/system.h"
#include "tests/supervisor/supervised_call.h"

namespace tidewaiter::supervisor {
namespace {

constexpr std::chrono::seconds kLongest{10};

// Receivers that Waiting keeps beyond those it was asked for.
constexpr unsigned kSpare = 2;

// How often the agent has to look after nobody has entered before it may sleep.
constexpr int kQuietLooks = 5;

// Receivers that serve functions instead of notifications: each runs on the thread that received it.
class Receivers {
 public:
  // `turns`: whether they receive by turns, as those of a session do. Without, what is told of one receiver
  // is not mixed up with who has the turn.
  Receivers(unsigned receivers, unsigned limit, bool turns = false)
      : turns_(turns),
        queued_(::eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        waiting([](void* self) { return static_cast<Receivers*>(self)->receive_one(); }, this, receivers,
                limit, wake_.get()) {}

  void post(std::function<void()> call) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(call));
    }
    (void)::eventfd_write(queued_.get(), 1);
  }

  // As if the thread called anew.
  void evict(pid_t tid) {
    struct seccomp_notif received {};
    received.id = kAnew;
    received.pid = static_cast<__u32>(tid);
    kernel_.stand(kAnew);
    const Notification anew(kernel_, -1, received);
    EXPECT_TRUE(waiting.enter(anew));
    waiting.end();
  }

  // Until so many threads stand in receive_one() and wait there; false: it did not come to that.
  [[nodiscard]] bool wait_for_idle(unsigned least, unsigned most) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLongest, [&] { return least <= idle_ && idle_ <= most; });
  }
  [[nodiscard]] bool wait_for_idle(unsigned count) { return wait_for_idle(count, count); }
  [[nodiscard]] unsigned idle() {
    const std::lock_guard lock(mutex_);
    return idle_;
  }

  // Until so many have been received that are not to be served; false: it did not come to that.
  [[nodiscard]] bool wait_for_unserved(unsigned count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLongest, [&] { return unserved_ == count; });
  }

  [[nodiscard]] bool woken() const {
    eventfd_t count = 0;
    return ::eventfd_read(wake_.get(), &count) == 0;
  }

 private:
  bool receive_one() {
    if (turns_ && !waiting.take_turn()) return false;
    set_idle(+1);
    eventfd_t one = 0;
    waiting.begin_receive();
    const int result = ::eventfd_read(queued_.get(), &one);
    const bool draining = waiting.end_receive();
    set_idle(-1);
    if (result != 0) return !waiting.stopping();
    if (draining) {
      const std::lock_guard lock(mutex_);
      ++unserved_;
      changed_.notify_all();
      return true;
    }
    std::function<void()> call;
    {
      const std::lock_guard lock(mutex_);
      call = std::move(queue_.front());
      queue_.pop_front();
    }
    call();
    return true;
  }

  void set_idle(int change) {
    const std::lock_guard lock(mutex_);
    idle_ += static_cast<unsigned>(change);
    changed_.notify_all();
  }

  static constexpr std::uint64_t kAnew = 1'000'000;

  const bool turns_;
  ScriptedKernel kernel_;
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned idle_ = 0;
  unsigned unserved_ = 0;
  std::deque<std::function<void()>> queue_;
  UniqueFd queued_;
  UniqueFd wake_;

 public:
  Waiting waiting;  // last: its threads use all of the above
};

// A flag to wait for.
class Event {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool wait(std::chrono::milliseconds longest = kLongest) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, longest, [&] { return set_; });
  }
  [[nodiscard]] bool is_set() {
    const std::lock_guard lock(mutex_);
    return set_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// A call that blocks for a target until it is released or interrupted.
class BlockingCall {
 public:
  BlockingCall(Receivers& receivers, ScriptedKernel& kernel, std::uint64_t id, pid_t tid)
      : receivers_(receivers), release_(::eventfd(0, EFD_CLOEXEC)), kernel_(kernel), id_(id), tid_(tid) {}

  void post() {
    receivers_.post([this] { run(); });
  }
  void release() { (void)::eventfd_write(release_.get(), 1); }

  Event begun;  // begin() has been called; `admitted` says how it went
  Event ended;  // after end()
  bool admitted = false;
  std::atomic<bool> interrupted = false;

 private:
  void run() {
    struct seccomp_notif received = notification_of(id_, SYS_connect, {});
    received.pid = static_cast<__u32>(tid_);
    kernel_.stand(id_);
    Notification notification(kernel_, -1, received);
    EXPECT_TRUE(receivers_.waiting.enter(notification));
    admitted = receivers_.waiting.begin(notification);
    begun.set();
    if (admitted) {
      eventfd_t value = 0;
      interrupted = ::eventfd_read(release_.get(), &value) != 0 && errno == EINTR;
    }
    Target target(kernel_, tid_);
    (void)notification.answer(Answer::result(0), target);
    finishing();
    receivers_.waiting.end();
    ended.set();
  }

 public:
  std::function<void()> finishing = [] {};  // after the answer, before end()

 private:
  Receivers& receivers_;
  UniqueFd release_;
  ScriptedKernel& kernel_;
  std::uint64_t id_;
  pid_t tid_;
};

TEST(Waiting, StartsItsReceivers) {
  Receivers receivers(3, 8);
  ASSERT_TRUE(receivers.waiting.start());
  EXPECT_TRUE(receivers.wait_for_idle(3));
}

TEST(Waiting, KeepsReceiversForOthersWhileCallsWait) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8);
  ASSERT_TRUE(receivers.waiting.start());
  std::deque<BlockingCall> calls;
  for (int i = 0; i < 6; ++i) {
    calls.emplace_back(receivers, kernel, 1 + i, 200 + i).post();
    ASSERT_TRUE(calls.back().begun.wait());
    EXPECT_TRUE(calls.back().admitted);
    // As many as ever, though one more waits.
    EXPECT_TRUE(receivers.wait_for_idle(2));
  }
  // Those that are too many go when they have ended.
  for (BlockingCall& call : calls) {
    call.release();
    ASSERT_TRUE(call.ended.wait());
    EXPECT_FALSE(call.interrupted);
  }
  EXPECT_TRUE(receivers.wait_for_idle(2 + kSpare));
  EXPECT_EQ(kernel.answers().size(), 6U);
}

TEST(Waiting, RefusesWhatIsBeyondItsLimit) {
  ScriptedKernel kernel;
  Receivers receivers(2, 4);
  ASSERT_TRUE(receivers.waiting.start());
  std::deque<BlockingCall> calls;
  for (int i = 0; i < 4; ++i) {
    calls.emplace_back(receivers, kernel, 1 + i, 200 + i).post();
    ASSERT_TRUE(calls.back().begun.wait());
    EXPECT_EQ(calls.back().admitted, i < 2) << i;
    if (!calls.back().admitted) {
      ASSERT_TRUE(calls.back().ended.wait());
    }
  }
  EXPECT_TRUE(receivers.wait_for_idle(2));
  calls[0].release();
  ASSERT_TRUE(calls[0].ended.wait());
  // There is room again.
  calls.emplace_back(receivers, kernel, 9, 300).post();
  ASSERT_TRUE(calls.back().begun.wait());
  EXPECT_TRUE(calls.back().admitted);
  calls[1].release();
  calls.back().release();
  EXPECT_TRUE(calls[1].ended.wait());
  EXPECT_TRUE(calls.back().ended.wait());
}

TEST(Waiting, EvictsOnlyTheCallsOfOneThreadAndReturnsWhenTheyHaveEnded) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8);
  ASSERT_TRUE(receivers.waiting.start());
  BlockingCall evicted(receivers, kernel, 1, 200);
  BlockingCall other(receivers, kernel, 2, 201);
  std::atomic<bool> finished = false;
  evicted.finishing = [&] { finished = true; };
  evicted.post();
  other.post();
  ASSERT_TRUE(evicted.begun.wait());
  ASSERT_TRUE(other.begun.wait());
  receivers.evict(199);
  EXPECT_FALSE(finished);
  receivers.evict(200);
  EXPECT_TRUE(finished);
  EXPECT_TRUE(evicted.interrupted);
  EXPECT_TRUE(evicted.ended.wait());
  EXPECT_FALSE(other.ended.is_set());
  receivers.evict(200);
  other.release();
  EXPECT_TRUE(other.ended.wait());
  EXPECT_FALSE(other.interrupted);
}

// A receiver may be so late with a call that the thread makes its next one already.
TEST(Waiting, DoesNotEvictALaterCallOfTheThread) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8);
  ASSERT_TRUE(receivers.waiting.start());
  BlockingCall later(receivers, kernel, 2, 200);
  later.post();
  ASSERT_TRUE(later.begun.wait());
  struct seccomp_notif received = notification_of(1, SYS_connect, {});
  received.pid = 200;
  const Notification former = Notification::borrowed(kernel, -1, received);
  EXPECT_FALSE(receivers.waiting.enter(former));
  later.release();
  EXPECT_TRUE(later.ended.wait());
  EXPECT_FALSE(later.interrupted);
}

// The interrupt may come just before the call that it is meant for: it has to come again.
TEST(Waiting, EvictsACallThatHasNotYetBegunToBlock) {
  ScriptedKernel kernel;
  Receivers receivers(1, 8);
  ASSERT_TRUE(receivers.waiting.start());
  Event begun;
  Event evicting;
  Event ended;
  bool interrupted = false;
  const UniqueFd never(::eventfd(0, EFD_CLOEXEC));
  receivers.post([&] {
    kernel.stand(1);
    struct seccomp_notif received = notification_of(1, SYS_connect, {});
    Notification notification(kernel, -1, received);
    ASSERT_TRUE(receivers.waiting.enter(notification));
    ASSERT_TRUE(receivers.waiting.begin(notification));
    begun.set();
    // Interrupted at least once here, where it does no good.
    while (::poll(nullptr, 0, 10'000) == 0) {
    }
    eventfd_t value = 0;
    interrupted = ::eventfd_read(never.get(), &value) != 0;
    receivers.waiting.end();
    ended.set();
  });
  ASSERT_TRUE(begun.wait());
  receivers.evict(kTid);
  EXPECT_TRUE(ended.wait());
  EXPECT_TRUE(interrupted);
}

TEST(Waiting, LetsOneReceiverAtATimeServeATarget) {
  constexpr int kCalls = 500;
  ScriptedKernel kernel;
  for (int i = 0; i < kCalls; ++i) kernel.stand(static_cast<std::uint64_t>(i));
  // Who waits is replaced, so there may come to be as many threads as calls.
  Receivers receivers(4, kCalls + 8);
  ASSERT_TRUE(receivers.waiting.start());
  int inside = 0;  // unguarded: only one thread may stand there
  int served = 0;
  Event done;
  for (int i = 0; i < kCalls; ++i) {
    receivers.post([&, i] {
      Notification notification(kernel, -1, notification_of(static_cast<std::uint64_t>(i), SYS_connect, {}));
      EXPECT_TRUE(receivers.waiting.enter(notification));
      EXPECT_EQ(++inside, 1);
      const bool last = ++served == kCalls;
      --inside;
      receivers.waiting.end();
      if (last) done.set();
    });
  }
  EXPECT_TRUE(done.wait());
}

// A call that nothing interrupts, as of a target whose memory a file system in user space backs, and that has
// not said it may block, unless it `begins`.
class StuckCall {
 public:
  StuckCall(Receivers& receivers, ScriptedKernel& kernel, std::uint64_t id, pid_t tid,
            std::optional<Waiting::Expected> begins = std::nullopt) {
    receivers.post([this, &receivers, &kernel, id, tid, begins] {
      struct seccomp_notif received = notification_of(id, SYS_connect, {});
      received.pid = static_cast<__u32>(tid);
      kernel.stand(id);
      Notification notification(kernel, -1, received);
      entered = receivers.waiting.enter(notification);
      if (begins) {
        EXPECT_TRUE(receivers.waiting.begin(notification, *begins));
      }
      begun.set();
      if (entered) {
        (void)released.wait();
        receivers.waiting.end();
      }
      ended.set();
    });
  }
  Event begun;  // `entered` says how it went
  Event released;
  Event ended;
  bool entered = false;
};

TEST(Waiting, KeepsReceiversForOthersWhileOneTargetCallsAgainAndAgain) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8);
  ASSERT_TRUE(receivers.waiting.start());
  StuckCall first(receivers, kernel, 1, 200);
  ASSERT_TRUE(first.begun.wait());
  // Signals take it out of each, and each time a receiver waits for the first one's end.
  std::deque<StuckCall> more;
  for (std::uint64_t id = 2; id < 6; ++id) more.emplace_back(receivers, kernel, id, 200);
  StuckCall other(receivers, kernel, 9, 201);
  EXPECT_TRUE(other.begun.wait());
  // Who waits for a call that is over no longer does.
  for (std::uint64_t id = 2; id < 6; ++id) kernel.invalidate(id);
  for (StuckCall& call : more) EXPECT_TRUE(call.ended.wait());
  EXPECT_FALSE(first.ended.is_set());
  for (StuckCall* call : {&first, &other}) {
    call->released.set();
    EXPECT_TRUE(call->ended.wait());
  }
  for (StuckCall& call : more) call.released.set();
}

TEST(Waiting, LeavesNoReceiverWaitingBeyondItsLimit) {
  ScriptedKernel kernel;
  Receivers receivers(2, 4);
  ASSERT_TRUE(receivers.waiting.start());
  StuckCall first(receivers, kernel, 1, 200, Waiting::Expected::kBlocks);
  StuckCall second(receivers, kernel, 2, 201, Waiting::Expected::kBlocks);
  ASSERT_TRUE(first.begun.wait());
  ASSERT_TRUE(second.begun.wait());
  // Their targets call again and again, and no receiver waits for the end of what nothing ends.
  std::deque<StuckCall> more;
  for (std::uint64_t id = 3; id < 23; ++id) {
    more.emplace_back(receivers, kernel, id, id % 2 == 0 ? 201 : 200);
  }
  StuckCall other(receivers, kernel, 30, 202);
  EXPECT_TRUE(other.begun.wait());
  EXPECT_TRUE(other.entered);
  for (StuckCall& call : more) {
    EXPECT_TRUE(call.ended.wait());
    EXPECT_FALSE(call.entered);
  }
  for (StuckCall* call : {&first, &second, &other}) {
    EXPECT_FALSE(call->ended.is_set());
    call->released.set();
    EXPECT_TRUE(call->ended.wait());
  }
}

TEST(Waiting, ReplacesReceiversThatAreStuck) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8);
  ASSERT_TRUE(receivers.waiting.start());
  std::deque<StuckCall> stuck;
  for (std::uint64_t id = 1; id < 5; ++id) {
    stuck.emplace_back(receivers, kernel, id, static_cast<pid_t>(200 + id));
    // As Agent does while it is woken.
    while (!stuck.back().begun.is_set()) (void)receivers.waiting.look_after();
  }
  // Not waited for otherwise: nobody is replaced unless somebody looks.
  while (receivers.idle() == 0 && !stuck.front().ended.is_set()) {
    (void)receivers.waiting.look_after();
  }
  // None of them had to end for that.
  for (StuckCall& call : stuck) EXPECT_FALSE(call.ended.is_set());
  for (StuckCall& call : stuck) {
    call.released.set();
    EXPECT_TRUE(call.ended.wait());
  }
}

TEST(Waiting, KeepsTheTurnThroughACallThatDoesNotBlock) {
  ScriptedKernel kernel;
  Receivers receivers(3, 8, true);
  ASSERT_TRUE(receivers.waiting.start());
  for (const auto begins : {std::optional<Waiting::Expected>(), std::optional(Waiting::Expected::kReturns)}) {
    StuckCall first(receivers, kernel, 1, 201, begins);
    ASSERT_TRUE(first.begun.wait());
    StuckCall second(receivers, kernel, 2, 202);
    // Long enough for another receiver to be woken and to begin.
    EXPECT_FALSE(second.begun.wait(std::chrono::milliseconds(100)));
    first.released.set();
    EXPECT_TRUE(second.begun.wait());
    second.released.set();
    EXPECT_TRUE(first.ended.wait());
    EXPECT_TRUE(second.ended.wait());
  }
}

TEST(Waiting, PassesTheTurnOnBeforeACallThatBlocks) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8, true);
  ASSERT_TRUE(receivers.waiting.start());
  std::deque<BlockingCall> calls;
  for (int i = 0; i < 4; ++i) {
    calls.emplace_back(receivers, kernel, 1 + i, 200 + i).post();
    ASSERT_TRUE(calls.back().begun.wait());
  }
  for (BlockingCall& call : calls) {
    EXPECT_FALSE(call.ended.is_set());
    call.release();
    EXPECT_TRUE(call.ended.wait());
  }
}

TEST(Waiting, TakesTheTurnFromWhoIsStuck) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8, true);
  ASSERT_TRUE(receivers.waiting.start());
  StuckCall first(receivers, kernel, 1, 201);
  ASSERT_TRUE(first.begun.wait());
  // Though another receiver is free, for nobody receives.
  EXPECT_TRUE(receivers.woken());
  StuckCall second(receivers, kernel, 2, 202);
  // Nobody is to stop looking before that is over.
  while (receivers.waiting.look_after()) {
  }
  EXPECT_TRUE(second.begun.wait());
  EXPECT_FALSE(first.ended.is_set());
  first.released.set();
  EXPECT_TRUE(first.ended.wait());
  second.released.set();
  EXPECT_TRUE(second.ended.wait());
}

TEST(Waiting, KeepsTheTurnNoMoreForAWhileAfterSomebodyWasStuck) {
  ScriptedKernel kernel;
  Receivers receivers(3, 8, true);
  ASSERT_TRUE(receivers.waiting.start());
  StuckCall first(receivers, kernel, 1, 201);
  ASSERT_TRUE(first.begun.wait());
  StuckCall second(receivers, kernel, 2, 202);
  while (!second.begun.is_set()) (void)receivers.waiting.look_after();
  // Nobody looks any more.
  StuckCall third(receivers, kernel, 3, 203);
  EXPECT_TRUE(third.begun.wait());
  for (StuckCall* call : {&first, &second, &third}) {
    EXPECT_FALSE(call->ended.is_set());
    call->released.set();
    EXPECT_TRUE(call->ended.wait());
  }
}

// Whether the agent may sleep at last.
bool falls_quiet(Receivers& receivers) {
  for (int look = 0; look <= kQuietLooks; ++look) {
    if (!receivers.waiting.look_after()) return true;
  }
  return false;
}

TEST(Waiting, InterruptsCallsWhoseTargetsNoLongerWait) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8);
  ASSERT_TRUE(receivers.waiting.start());
  EXPECT_FALSE(receivers.waiting.look_after());
  BlockingCall abandoned(receivers, kernel, 1, 200);
  BlockingCall standing(receivers, kernel, 2, 201);
  abandoned.post();
  standing.post();
  ASSERT_TRUE(abandoned.begun.wait());
  ASSERT_TRUE(standing.begun.wait());
  EXPECT_TRUE(receivers.waiting.look_after());
  EXPECT_FALSE(abandoned.ended.is_set());
  kernel.invalidate(1);
  // As Agent does: again and again, for the call may not have begun to block.
  while (!abandoned.ended.is_set()) EXPECT_TRUE(receivers.waiting.look_after());
  EXPECT_TRUE(abandoned.interrupted);
  EXPECT_FALSE(standing.ended.is_set());
  standing.release();
  ASSERT_TRUE(standing.ended.wait());
  EXPECT_FALSE(standing.interrupted);
  EXPECT_TRUE(falls_quiet(receivers));
}

TEST(Waiting, WakesTheAgentOnceWhenSomethingBeginsToWait) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8);
  ASSERT_TRUE(receivers.waiting.start());
  EXPECT_FALSE(receivers.woken());
  BlockingCall first(receivers, kernel, 1, 200);
  BlockingCall second(receivers, kernel, 2, 201);
  first.post();
  ASSERT_TRUE(first.begun.wait());
  EXPECT_TRUE(receivers.woken());
  second.post();
  ASSERT_TRUE(second.begun.wait());
  EXPECT_FALSE(receivers.woken());
  EXPECT_TRUE(receivers.waiting.look_after());
  first.release();
  second.release();
  ASSERT_TRUE(first.ended.wait());
  ASSERT_TRUE(second.ended.wait());
  // It still watches; only when it has seen that nothing waits must it be woken anew.
  BlockingCall third(receivers, kernel, 3, 202);
  third.post();
  ASSERT_TRUE(third.begun.wait());
  EXPECT_FALSE(receivers.woken());
  third.release();
  ASSERT_TRUE(third.ended.wait());
  EXPECT_TRUE(falls_quiet(receivers));
  BlockingCall fourth(receivers, kernel, 4, 203);
  fourth.post();
  ASSERT_TRUE(fourth.begun.wait());
  EXPECT_TRUE(receivers.woken());
  fourth.release();
  EXPECT_TRUE(fourth.ended.wait());
}

TEST(Waiting, StopsThreadsThatBlock) {
  ScriptedKernel kernel;
  Receivers receivers(2, 8);
  ASSERT_TRUE(receivers.waiting.start());
  std::deque<BlockingCall> calls;
  for (int i = 0; i < 3; ++i) {
    calls.emplace_back(receivers, kernel, 1 + i, 200 + i).post();
    ASSERT_TRUE(calls.back().begun.wait());
  }
  EXPECT_FALSE(receivers.waiting.stopping());
  receivers.waiting.stop();
  EXPECT_TRUE(receivers.waiting.stopping());
  for (BlockingCall& call : calls) EXPECT_TRUE(call.interrupted);
  EXPECT_EQ(kernel.answers().size(), 3U);
  // Nothing receives any more, and nothing may wait.
  EXPECT_TRUE(receivers.wait_for_idle(0));
  const Notification late(kernel, -1, notification_of(9, SYS_connect, {}));
  EXPECT_FALSE(receivers.waiting.begin(late));
  receivers.waiting.stop();
}

TEST(Waiting, ServesToItsEndWhatIsBeingServedAndNothingMoreWhenItIsDrained) {
  for (const bool turns : {false, true}) {
    SCOPED_TRACE(turns);
    ScriptedKernel kernel;
    Receivers receivers(2, 8, turns);
    ASSERT_TRUE(receivers.waiting.start());
    BlockingCall call(receivers, kernel, 1, 201);
    call.post();
    ASSERT_TRUE(call.begun.wait());
    receivers.waiting.begin_drain();
    std::atomic<bool> served = false;
    for (unsigned later = 1; later <= 2; ++later) {
      receivers.post([&] { served = true; });
      EXPECT_TRUE(receivers.wait_for_unserved(later));
      EXPECT_TRUE(receivers.waiting.look_after());
    }
    EXPECT_FALSE(receivers.waiting.stopping());
    EXPECT_FALSE(receivers.waiting.ended());
    call.release();
    ASSERT_TRUE(call.ended.wait());
    EXPECT_FALSE(call.interrupted);
    // Again and again, for a thread may not have begun to receive.
    const auto deadline = std::chrono::steady_clock::now() + kLongest;
    while (receivers.waiting.look_after() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    EXPECT_TRUE(receivers.waiting.ended());
    EXPECT_FALSE(served);
    EXPECT_EQ(kernel.answers().size(), 1U);
  }
}

TEST(Waiting, EndsCallsThatNeverBegan) {
  Receivers receivers(1, 2);
  ASSERT_TRUE(receivers.waiting.start());
  receivers.waiting.end();
  EXPECT_FALSE(receivers.waiting.look_after());
}

TEST(Waiting, SurvivesManyCallsThatComeAndGo) {
  ScriptedKernel kernel;
  Receivers receivers(2, 12);
  ASSERT_TRUE(receivers.waiting.start());
  constexpr int kCalls = 400;
  std::deque<BlockingCall> calls;
  for (int i = 0; i < kCalls; ++i) calls.emplace_back(receivers, kernel, 1 + i, 200 + i);
  for (int i = 0; i < kCalls; ++i) {
    calls[static_cast<std::size_t>(i)].post();
    // The one before ends in one of three ways while this one begins.
    if (i == 0) continue;
    BlockingCall& before = calls[static_cast<std::size_t>(i - 1)];
    ASSERT_TRUE(before.begun.wait());
    if (!before.admitted) continue;
    switch (i % 3) {
      case 0:
        before.release();
        break;
      case 1:
        receivers.evict(200 + i - 1);
        break;
      default:
        kernel.invalidate(static_cast<std::uint64_t>(i));
        while (!before.ended.is_set()) receivers.waiting.look_after();
    }
  }
  ASSERT_TRUE(calls.back().begun.wait());
  calls.back().release();
  for (BlockingCall& call : calls) ASSERT_TRUE(call.ended.wait());
  EXPECT_TRUE(receivers.wait_for_idle(2, 2 + kSpare));
  EXPECT_EQ(kernel.answers().size(), static_cast<std::size_t>(kCalls));
}

// Threads that take turns at calls which come one at a time.
class Turns {
 public:
  Turns(unsigned receivers, std::chrono::milliseconds idle)
      : called_(::eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        waiting([](void* self) { return static_cast<Turns*>(self)->receive_one(); }, this, receivers, 8,
                wake_.get(), [](void* self) { --static_cast<Turns*>(self)->threads_; }, idle) {
    threads_ = receivers;
  }

  // Whoever has the turn passes it on, and goes on when released.
  void call() { (void)::eventfd_write(called_.get(), 1); }
  [[nodiscard]] bool wait_for_calls(unsigned count) const {
    return wait_until([&] { return calls_ == count; });
  }
  [[nodiscard]] bool wait_for_threads(unsigned count) const {
    return wait_until([&] { return threads_ == count; });
  }
  Event released;

 private:
  static bool wait_until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + kLongest;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  bool receive_one() {
    if (!waiting.take_turn()) return false;
    eventfd_t one = 0;
    if (::eventfd_read(called_.get(), &one) != 0) return !waiting.stopping();
    ++calls_;
    waiting.pass_turn();
    EXPECT_TRUE(released.wait());
    return true;
  }

  UniqueFd called_;
  UniqueFd wake_;
  std::atomic<unsigned> calls_ = 0;
  std::atomic<unsigned> threads_ = 0;  // that there would be if none had been started since

 public:
  Waiting waiting;  // last: its threads use all of the above
};

// A node's worker has hundreds of sessions that wait for nothing most of the time.
TEST(Waiting, LetsReceiversGoThatWaitForTheirTurnInVain) {
  Turns turns(3, std::chrono::milliseconds(20));
  ASSERT_TRUE(turns.waiting.start());
  EXPECT_TRUE(turns.wait_for_threads(1));
  turns.released.set();
  turns.call();
  EXPECT_TRUE(turns.wait_for_calls(1));
}

TEST(Waiting, StartsAReceiverWhereNoneIsLeftWhenTheTurnIsPassed) {
  Turns turns(2, std::chrono::milliseconds(20));
  ASSERT_TRUE(turns.waiting.start());
  ASSERT_TRUE(turns.wait_for_threads(1));
  // The only one left serves, and another receives the next one all the same.
  turns.call();
  turns.call();
  EXPECT_TRUE(turns.wait_for_calls(2));
  turns.released.set();
  turns.waiting.stop();
  EXPECT_TRUE(turns.waiting.ended());
}

}  // namespace
}  // namespace tidewaiter::supervisor
