#include "supervisor/slots.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <set>

#include "supervisor/operations/repeats.h"

namespace tidewaiter::supervisor {
namespace {

using Stage = Slot::Stage;

const std::vector<std::byte> kAddress(16, std::byte{7});

std::unique_ptr<Slots> make() { return std::move(*Slots::make()); }

// What another process finds in the same memory.
std::unique_ptr<Slots> look_again(const Slots& slots) {
  auto opened = Slots::open(UniqueFd(::fcntl(slots.memory(), F_DUPFD_CLOEXEC, 0)));
  if (!opened) std::abort();
  return std::move(*opened);
}

// A worker that dies after it has done that.
void die_after(const std::function<void()>& work) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    work();
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(Slots, KeepTheLostAnswersOfASession) {
  const PerformedCall call{.tid = 100, .number = 42, .socket_cookie = 7, .address = kAddress};
  const auto slots = make();
  for (const int attempt : {1, 2}) {
    die_after([&] { Repeats(look_again(*slots)->lost_answers(3)).remember(call, Answer::result(attempt)); });
    const auto next = look_again(*slots);
    const auto lost = Repeats(next->lost_answers(3)).find(call);
    ASSERT_TRUE(lost);
    EXPECT_EQ(lost->value, attempt);
    EXPECT_FALSE(Repeats(next->lost_answers(2)).find(call));
    EXPECT_FALSE(Repeats(next->lost_answers(Slots::kSessions - 1)).find(call));
    // Another session gets the number.
    next->begin(3);
    EXPECT_FALSE(Repeats(next->lost_answers(3)).find(call));
  }
}

TEST(Slots, KeepWhatADeadWorkerNoted) {
  const auto slots = make();
  die_after([&] {
    Slot& slot = *look_again(*slots).release()->take(3);
    slot.count_attempt();
    slot.begin(71, kAddress);
    slot.record(Answer::refuse(ECONNREFUSED));
  });
  const auto next = look_again(*slots);
  EXPECT_TRUE(next->take_over(2).empty());
  const auto left = next->take_over(3);
  ASSERT_EQ(left.size(), 1U);
  ASSERT_TRUE(left[0]->recorded());
  EXPECT_EQ(left[0]->recorded()->errno_value, ECONNREFUSED);
  EXPECT_EQ(left[0]->attempts, 1U);
  // It belongs to somebody now.
  EXPECT_TRUE(next->take_over(3).empty());
  EXPECT_NE(next->take(3), left[0]);
}

TEST(Slots, HaveNothingOfTheNotificationBefore) {
  const auto slots = make();
  Slot& slot = *slots->take(0);
  slot.count_attempt();
  slot.crashes = 1;
  slot.begin(71, kAddress);
  slot.record(Answer::result(0));
  slot.reset();
  EXPECT_FALSE(slot.recorded());
  EXPECT_FALSE(slot.begun(71, kAddress));
  EXPECT_FALSE(slot.suspicious());
  EXPECT_EQ(slot.attempts, 0U);
}

TEST(Slots, TellWhatWasBegunFromAnythingElse) {
  const auto slots = make();
  Slot& slot = *slots->take(0);
  EXPECT_FALSE(slot.begun(71, kAddress));
  slot.begin(71, kAddress);
  EXPECT_TRUE(slot.begun(71, kAddress));
  EXPECT_FALSE(slot.begun(72, kAddress));
  EXPECT_FALSE(slot.begun(71, std::span(kAddress).first(15)));
  auto other = kAddress;
  other.back() = std::byte{8};
  EXPECT_FALSE(slot.begun(71, other));
  slot.record(Answer::result(0));
  EXPECT_FALSE(slot.begun(71, kAddress));
}

TEST(Slots, RecordNothingThatWasNotBegun) {
  const auto slots = make();
  Slot& slot = *slots->take(0);
  slot.record(Answer::result(0));
  EXPECT_FALSE(slot.recorded());
  slot.begin_answer();
  EXPECT_EQ(slot.stage, Stage::kIdle);
}

TEST(Slots, KeepTheAnswerWhileItIsSent) {
  const auto slots = make();
  Slot& slot = *slots->take(0);
  slot.begin(71, kAddress);
  slot.record(Answer::result(5));
  slot.begin_answer();
  EXPECT_EQ(slot.stage, Stage::kAnswering);
  ASSERT_TRUE(slot.recorded());
  EXPECT_EQ(slot.recorded()->value, 5);
}

TEST(Slots, AddUpWhatASendHasTaken) {
  const auto slots = make();
  Slot& slot = *slots->take(0);
  slot.begin(71, kAddress);
  EXPECT_FALSE(slot.sent().noted);
  EXPECT_EQ(slot.sent().bytes, 0U);
  // The kernel notes in the header; nothing else has happened before the next one.
  slot.next_send(0, 0).msg_len = 100;
  EXPECT_TRUE(slot.sent().noted);
  EXPECT_EQ(slot.sent().bytes, 100U);
  struct mmsghdr& second = slot.next_send(0, 100);
  EXPECT_FALSE(slot.sent().noted);
  EXPECT_EQ(slot.sent().bytes, 100U);
  second.msg_len = 7;
  EXPECT_EQ(slot.sent().bytes, 107U);
  // An empty datagram was sent, too.
  slot.next_send(1, 0).msg_len = 0;
  EXPECT_EQ(slot.sent().messages, 1U);
  EXPECT_TRUE(slot.sent().noted);
  slot.next_send(1023, 0x7fffffff).msg_len = 0x7ffff000;
  EXPECT_EQ(slot.sent().messages, 1023U);
  EXPECT_EQ(slot.sent().bytes, 0x7fffffffULL + 0x7ffff000ULL);
  // Beginning the same once more forgets nothing, something else does.
  slot.begin(71, kAddress);
  EXPECT_EQ(slot.sent().messages, 1023U);
  slot.begin(72, kAddress);
  EXPECT_EQ(slot.sent().messages, 0U);
  EXPECT_FALSE(slot.sent().noted);
}

TEST(Slots, SuspectWhatCrashesAWorkerTwiceOrDiesWithManyOfThem) {
  const auto slots = make();
  Slot& slot = *slots->take(0);
  slot.crashes = 1;
  EXPECT_FALSE(slot.suspicious());
  slot.crashes = 2;
  EXPECT_TRUE(slot.suspicious());
  slot.reset();
  for (unsigned i = 0; i < Slot::kMostAttempts; ++i) {
    EXPECT_FALSE(slot.suspicious()) << i;
    slot.count_attempt();
  }
  EXPECT_TRUE(slot.suspicious());
}

// One session's threads begin before the next session has taken over what is its own.
TEST(Slots, AreLeftToTheSessionThatHasYetToTakeThemOver) {
  const auto slots = make();
  die_after([&] {
    Slots& dying = *look_again(*slots).release();
    (void)dying.take(1);
    dying.take(2)->count_attempt();
  });
  const auto next = look_again(*slots);
  EXPECT_EQ(next->take_over(1).size(), 1U);
  Slot* const taken = next->take(1);
  const auto left = next->take_over(2);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_NE(left[0], taken);
  EXPECT_EQ(left[0]->attempts, 1U);
}

TEST(Slots, AreForgottenWithTheirSession) {
  const auto slots = make();
  die_after([&] {
    Slots& dying = *look_again(*slots).release();
    (void)dying.take(1);
    (void)dying.take(2);
  });
  const auto next = look_again(*slots);
  next->forget_others({2});
  EXPECT_TRUE(next->take_over(1).empty());
  EXPECT_EQ(next->take_over(2).size(), 1U);
}

TEST(Slots, AreForOneThreadEachAndNotWithoutEnd) {
  const auto slots = make();
  std::set<Slot*> taken;
  for (unsigned i = 0; i < Slots::kSlots; ++i) taken.insert(slots->take(0));
  EXPECT_EQ(taken.size(), Slots::kSlots);
  EXPECT_FALSE(taken.contains(nullptr));
  EXPECT_EQ(slots->take(0), nullptr);
  slots->give_back(**taken.begin());
  EXPECT_EQ(slots->take(0), *taken.begin());
}

TEST(Slots, AreNotTakenForThoseOfAnotherVersion) {
  EXPECT_FALSE(Slots::open(UniqueFd(::memfd_create("empty", MFD_CLOEXEC))));
  UniqueFd other(::memfd_create("other", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(other.get(), 64 << 20), 0);
  const auto opened = Slots::open(std::move(other));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, EPROTO);
}

TEST(Slots, CannotBeCutShort) {
  const auto slots = make();
  EXPECT_NE(::ftruncate(slots->memory(), 0), 0);
}

// The keeper looks into memory that a worker writes to.
TEST(Slots, StayWithinTheirMemoryWhateverAWorkerWritesThere) {
  const auto slots = make();
  (void)slots->take(0);
  const std::uint64_t much = ~std::uint64_t{0} / 2;
  for (const off_t at : {8, 16, 24}) {  // sizes, and how many were used
    ASSERT_EQ(::pwrite(slots->memory(), &much, sizeof much, at), static_cast<ssize_t>(sizeof much));
  }
  const auto next = slots->take_over(7);
  EXPECT_TRUE(next.empty());
  Slot* const slot = slots->take(1);
  ASSERT_NE(slot, nullptr);
  EXPECT_EQ(slots->notification(*slot).get().id, 0U);
}

TEST(Slots, HaveNoPartOfANotificationLeft) {
  const auto slots = make();
  Slot& slot = *slots->take(0);
  auto buffer = slots->notification(slot);
  const_cast<struct seccomp_notif&>(buffer.get()).id = 0x1234567812345678;
  slots->empty(slot);
  EXPECT_EQ(buffer.get().id, 0U);
}

}  // namespace
}  // namespace tidewaiter::supervisor
