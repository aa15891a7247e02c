#include "supervisor/answer.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/supervisor/supervised_call.h"

namespace tidewaiter::supervisor {
namespace {

using Kind = ScriptedKernel::Kind;

Notification make_notification(ScriptedKernel& kernel, std::uint64_t id = 7) {
  kernel.stand(id);
  return {kernel, -1, notification_of(id, SYS_connect, {})};
}

std::vector<Kind> kinds(const std::vector<ScriptedKernel::Recorded>& calls) {
  std::vector<Kind> found;
  for (const auto& call : calls) found.push_back(call.kind);
  return found;
}

TEST(Notification, AnswersEpermWhenItIsDropped) {
  ScriptedKernel kernel;
  { const Notification notification = make_notification(kernel); }
  const auto answers = kernel.answers();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].kind, Kind::kAnswerErrno);
  EXPECT_EQ(answers[0].id, 7U);
  EXPECT_EQ(answers[0].value, EPERM);
}

TEST(Notification, OwesItsAnswerOnceHoweverOftenItIsMoved) {
  ScriptedKernel kernel;
  {
    Notification first = make_notification(kernel);
    Notification second = std::move(first);
    { const Notification third = std::move(second); }
    EXPECT_EQ(kernel.answers().size(), 1U);
  }
  EXPECT_EQ(kernel.answers().size(), 1U);
}

TEST(Notification, SendsTheAnswerItIsGivenAndNoOther) {
  const struct {
    Answer answer;
    Kind kind;
    std::int64_t value;
  } cases[] = {
      {Answer::refuse(EACCES), Kind::kAnswerErrno, EACCES},
      {Answer::result(0), Kind::kAnswerValue, 0},
      {Answer::result(1LL << 40), Kind::kAnswerValue, 1LL << 40},
      {Answer::let_run(), Kind::kAnswerContinue, 0},
      {Answer(), Kind::kAnswerErrno, EPERM},
  };
  for (const auto& test : cases) {
    ScriptedKernel kernel;
    {
      Notification notification = make_notification(kernel);
      Target target(kernel, kTid);
      EXPECT_TRUE(notification.answer(test.answer, target));
    }
    const auto calls = kernel.calls();
    ASSERT_EQ(calls.size(), 1U);
    EXPECT_EQ(calls[0].kind, test.kind);
    EXPECT_EQ(calls[0].value, test.value);
  }
}

TEST(Notification, DoesNotAnswerAgainWhoNoLongerWaits) {
  for (const Kind kind : {Kind::kAnswerErrno, Kind::kAnswerValue, Kind::kAnswerContinue}) {
    ScriptedKernel kernel;
    kernel.fail_always(kind, ENOENT);
    {
      Notification notification = make_notification(kernel);
      Target target(kernel, kTid);
      const Answer answer = kind == Kind::kAnswerErrno   ? Answer::refuse(EACCES)
                            : kind == Kind::kAnswerValue ? Answer::result(0)
                                                         : Answer::let_run();
      const Status answered = notification.answer(answer, target);
      ASSERT_FALSE(answered);
      EXPECT_EQ(answered.error().code, ENOENT);
    }
    EXPECT_EQ(kernel.calls().size(), 1U);
  }
}

// Nobody else would ever take the target out of its call.
TEST(Notification, RefusesWhatTheKernelDoesNotTakeTheAnswerOf) {
  for (const Answer& answer : {Answer::refuse(EACCES), Answer::result(0), Answer::let_run()}) {
    for (const int code : {EINVAL, EFAULT, ENOMEM}) {
      ScriptedKernel kernel;
      kernel.fail_at(0, code);
      {
        Notification notification = make_notification(kernel);
        Target target(kernel, kTid);
        const Status answered = notification.answer(answer, target);
        ASSERT_FALSE(answered);
        EXPECT_EQ(answered.error().code, code);
      }
      const auto calls = kernel.calls();
      ASSERT_EQ(calls.size(), 2U);
      EXPECT_EQ(calls[1].kind, Kind::kAnswerErrno);
      EXPECT_EQ(calls[1].id, 7U);
      EXPECT_EQ(calls[1].value, EPERM);
    }
  }
}

TEST(Notification, KillsBeforeItAnswers) {
  ScriptedKernel kernel;
  Notification notification = make_notification(kernel);
  Target target(kernel, kTid);
  EXPECT_TRUE(notification.answer(Answer::kill(), target));
  EXPECT_EQ(kinds(kernel.calls()),
            (std::vector{Kind::kOpenThread, Kind::kIdValid, Kind::kKill, Kind::kAnswerErrno}));
  EXPECT_EQ(kernel.answers()[0].value, EPERM);
}

// Its number may have been given to another process in the meantime.
TEST(Notification, KillsNobodyWhenItsTargetNoLongerWaits) {
  for (const Kind kind : {Kind::kOpenThread, Kind::kIdValid}) {
    ScriptedKernel kernel;
    kernel.before = [&](const ScriptedKernel::Recorded& call) {
      if (call.kind == kind) kernel.invalidate(7);
    };
    Notification notification = make_notification(kernel);
    Target target(kernel, kTid);
    const Status answered = notification.answer(Answer::kill(), target);
    ASSERT_FALSE(answered);
    EXPECT_EQ(answered.error().code, ENOENT);
    EXPECT_TRUE(kernel.calls(Kind::kKill).empty());
  }
}

TEST(Notification, RefusesWhatItCannotKill) {
  for (const Kind kind : {Kind::kOpenThread, Kind::kIdValid, Kind::kKill}) {
    for (const int code : {ESRCH, EPERM, EMFILE}) {
      ScriptedKernel kernel;
      kernel.fail_always(kind, code);
      {
        Notification notification = make_notification(kernel);
        Target target(kernel, kTid);
        EXPECT_TRUE(notification.answer(Answer::kill(), target));
      }
      const auto answers = kernel.answers();
      ASSERT_EQ(answers.size(), 1U);
      EXPECT_EQ(answers[0].kind, Kind::kAnswerErrno);
      EXPECT_EQ(answers[0].value, EPERM);
    }
  }
}

TEST(Notification, StandsUntilItIsAnsweredOrItsTargetInterrupted) {
  ScriptedKernel kernel;
  Notification answered = make_notification(kernel, 1);
  const Notification interrupted = make_notification(kernel, 2);
  Target target(kernel, kTid);
  EXPECT_TRUE(answered.still_stands());
  ASSERT_TRUE(answered.answer(Answer::result(0), target));
  EXPECT_FALSE(answered.still_stands());
  EXPECT_TRUE(interrupted.still_stands());
  kernel.fail_always(Kind::kIdValid, EPERM);
  EXPECT_FALSE(interrupted.still_stands());
  kernel.invalidate(2);
  EXPECT_FALSE(interrupted.still_stands());
}

}  // namespace
}  // namespace tidewaiter::supervisor
