#include "supervisor/worker/session.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <set>
#include <thread>

#include "tests/oci/base/temporary_folder.h"
#include "tests/supervisor/event_lines.h"
#include "tests/supervisor/supervised_call.h"

namespace tidewaiter::supervisor {
namespace {

using Kind = ScriptedKernel::Kind;
using testing::TemporaryFolder;

constexpr const char* kStatus = "Name:\tx\nTgid:\t99\nPPid:\t98\nCapEff:\t0000000000000400\n";

constexpr const char* kPolicy = R"({"version": 1,
    "network": {"allow": ["tcp://192.0.2.1:80", "udp://192.0.2.0/24"], "bind": ["80", "8080"]},
    "syscalls": [{"names": ["ptrace"], "action": "errno", "errno": "ENOSYS"},
                 {"names": ["bpf"], "action": "kill"},
                 {"names": ["getppid"], "action": "log"},
                 {"names": ["getuid"], "action": "allow"}]})";

const Supervision& supervision() {
  static const Supervision made = supervision_of(kPolicy);
  return made;
}

// One session on a scripted kernel, and its events.
class ScriptedSession {
 public:
  ScriptedSession() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    kernel.put_process(kTid, {kStatus, "/usr/bin/x"});
    kernel.put_socket(kSocketNumber, kTcp4);
    kernel.put_memory(kPointer, ipv4("192.0.2.1", 80));
  }

  void start(const Supervision& with = supervision(), Tracer* tracer = nullptr) {
    events_.emplace(*EventLog::open(folder_.path(), "box", 1U << 20U));
    auto session = Session::start(kernel, UniqueFd(::eventfd(0, EFD_CLOEXEC)), "box", with, *events_,
                                  wake_.get(), *slots_, 0, tracer);
    ASSERT_TRUE(session) << session.error().message();
    session_ = std::move(*session);
  }

  // Looks after it until nobody receives any more; false: ten seconds have passed.
  [[nodiscard]] bool comes_to_its_end() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!session_->ended() && std::chrono::steady_clock::now() < deadline) {
      (void)session_->look_after();
      (void)wait_for_wake(2);
    }
    return session_->ended();
  }

  // As the next worker, with what this one has left.
  void start_again() {
    session_.reset();
    slots_ = std::move(*Slots::open(UniqueFd(::fcntl(slots_->memory(), F_DUPFD_CLOEXEC, 0))));
    start();
  }

  // An earlier worker's slot, with a notification that it had received.
  Slot& leave_slot(const struct seccomp_notif& received) {
    Slot& slot = *slots_->take(0);
    auto buffer = slots_->notification(slot);
    std::memcpy(&const_cast<struct seccomp_notif&>(buffer.get()), &received, sizeof received);
    slot.count_attempt();
    slots_ = std::move(*Slots::open(UniqueFd(::fcntl(slots_->memory(), F_DUPFD_CLOEXEC, 0))));
    return *left_
                .emplace_back(
                    std::move(*Slots::open(UniqueFd(::fcntl(slots_->memory(), F_DUPFD_CLOEXEC, 0)))))
                ->take_over(0)[0];
  }

  // Serves one notification and ends; the events.
  std::vector<nlohmann::json> serve(const struct seccomp_notif& notification) {
    kernel.notify(notification);
    EXPECT_TRUE(kernel.wait_for_answers(1));
    return end();
  }

  std::vector<nlohmann::json> end() {
    session_.reset();
    events_->flush();
    return event_lines(folder_ / "box.jsonl");
  }

  [[nodiscard]] Session& session() { return *session_; }

  // Until the agent is woken; false: that many milliseconds have passed.
  [[nodiscard]] bool wait_for_wake(int longest = 10'000) const {
    struct pollfd woken = {wake_.get(), POLLIN, 0};
    return ::poll(&woken, 1, longest) == 1;
  }

  ScriptedKernel kernel;

 private:
  TemporaryFolder folder_;
  UniqueFd wake_;
  std::optional<EventLog> events_;
  std::unique_ptr<Slots> slots_ = std::move(*Slots::make());
  std::vector<std::unique_ptr<Slots>> left_;
  std::unique_ptr<Session> session_;
};

// --- one way through -------------------------------------------------------------------------------

TEST(Session, PerformsWhatIsAllowedAndReportsIt) {
  ScriptedSession session;
  session.start();
  const auto events = session.serve(address_call(1, SYS_connect, 16));
  ASSERT_EQ(session.kernel.answers().size(), 1U);
  EXPECT_EQ(session.kernel.answers()[0].kind, Kind::kAnswerValue);
  EXPECT_EQ(session.kernel.answers()[0].value, 0);
  EXPECT_EQ(session.kernel.performed().size(), 1U);
  ASSERT_EQ(events.size(), 1U);
  nlohmann::json event = events[0];
  EXPECT_TRUE(event["time"].is_string());
  EXPECT_TRUE(event["duration"].is_number());
  event.erase("time");
  event.erase("duration");
  EXPECT_EQ(event, nlohmann::json::parse(R"({"container": "box", "policy": "test", "rule": "/network/allow/0",
      "syscall": "connect", "category": "network", "pid": 99, "tid": 100, "parent_pid": 98,
      "executable": "/usr/bin/x", "host": "192.0.2.1", "port": 80, "transport": "tcp",
      "verdict": "allowed", "denied": false})"));
}

TEST(Session, RefusesAndReportsIt) {
  ScriptedSession session;
  session.kernel.put_memory(kPointer, ipv4("192.0.2.2", 80));
  session.start();
  const auto events = session.serve(address_call(1, SYS_connect, 16));
  ASSERT_EQ(session.kernel.answers().size(), 1U);
  EXPECT_EQ(session.kernel.answers()[0].kind, Kind::kAnswerErrno);
  EXPECT_EQ(session.kernel.answers()[0].value, EACCES);
  EXPECT_TRUE(session.kernel.performed().empty());
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["verdict"], "denied");
  EXPECT_EQ(events[0]["denied"], true);
  EXPECT_EQ(events[0]["errno"], "EACCES");
  EXPECT_EQ(events[0]["rule"], "/network/allow");
}

struct SyscallCase {
  const char* name;
  int number;
  std::uint32_t audit;
  Kind answer;
  std::int64_t value;
  const char* verdict;  // nullptr: no event
};

// Before the answer it would take the target out of the call.
TEST(Session, SendsTheSignalOfABrokenPipeAfterTheAnswer) {
  for (const bool stream : {true, false}) {
    ScriptedSession session;
    const std::uint64_t header_at = 8192;
    session.kernel.put_socket(kSocketNumber, stream ? kTcp4 : kUdp4);
    session.kernel.put_memory(header_at, bytes_of(msghdr{}));
    session.kernel.on_send = [](const OutgoingMessage&, int) -> Result<std::size_t> {
      return fail(EPIPE, "");
    };
    session.start();
    const auto events = session.serve(notification_of(1, SYS_sendmsg, {kSocketNumber, header_at, 0}));
    EXPECT_TRUE(events.empty());
    std::vector<Kind> last;
    for (const auto& call : session.kernel.calls()) {
      if (call.kind == Kind::kAnswerErrno || call.kind == Kind::kBreakPipe) last.push_back(call.kind);
    }
    EXPECT_EQ(last,
              stream ? (std::vector{Kind::kAnswerErrno, Kind::kBreakPipe}) : std::vector{Kind::kAnswerErrno});
  }
}

TEST(Session, AnswersSyscallRules) {
  const SyscallCase cases[] = {
    {"errno", SYS_ptrace, kNativeAudit, Kind::kAnswerErrno, ENOSYS, "denied"},
    {"kill", SYS_bpf, kNativeAudit, Kind::kAnswerErrno, EPERM, "killed"},
    {"log", SYS_getppid, kNativeAudit, Kind::kAnswerContinue, 0, "allowed"},
    {"allow", SYS_getuid, kNativeAudit, Kind::kAnswerContinue, 0, nullptr},
    {"no rule", SYS_getgid, kNativeAudit, Kind::kAnswerContinue, 0, nullptr},
    {"no such call", 1023, kNativeAudit, Kind::kAnswerErrno, ENOSYS, "failed"},
    {"a negative number", -1, kNativeAudit, Kind::kAnswerErrno, ENOSYS, "failed"},
    {"no such architecture", SYS_getuid, 0x12345678, Kind::kAnswerErrno, ENOSYS, "failed"},
#if defined(__x86_64__)
    {"connect of i386", 362, AUDIT_ARCH_I386, Kind::kAnswerErrno, ENOSYS, "failed"},
    {"bind of i386", 361, AUDIT_ARCH_I386, Kind::kAnswerErrno, ENOSYS, "failed"},
    {"connect of x32", 0x40000000 + SYS_connect, AUDIT_ARCH_X86_64, Kind::kAnswerErrno, ENOSYS, "failed"},
    {"getppid of i386", 64, AUDIT_ARCH_I386, Kind::kAnswerContinue, 0, "allowed"},
#endif
  };
  for (const SyscallCase& test : cases) {
    SCOPED_TRACE(test.name);
    ScriptedSession session;
    session.start();
    const auto events = session.serve(notification_of(1, test.number, {}, test.audit));
    const auto answers = session.kernel.answers();
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].kind, test.answer);
    EXPECT_EQ(answers[0].value, test.value);
    EXPECT_EQ(session.kernel.calls(Kind::kKill).size(), test.number == SYS_bpf ? 1U : 0U);
    ASSERT_EQ(events.size(), test.verdict != nullptr ? 1U : 0U);
    if (test.verdict != nullptr) {
      EXPECT_EQ(events[0]["verdict"], test.verdict);
    }
  }
}

// --- what the runtime calls while it starts the container ---------------------------------------------

constexpr const char* kStartPolicy = R"({"version": 1, "syscalls": [
    {"names": ["setuid", "ptrace"], "action": "errno", "errno": "EPERM"}, {"names": ["capset"], "action": "kill"}]})";

Supervision exempting_the_start(bool exempt = true) {
  container::Record record = record_of(kStartPolicy);
  record.exempts_start = exempt;
  return std::move(*Supervision::make(record));
}

// Serves calls one after the other; what the last was answered.
ScriptedKernel::Recorded answer_after(ScriptedSession& session, const std::vector<int>& numbers) {
  std::size_t served = 0;
  for (const int number : numbers) {
    session.kernel.notify(notification_of(served + 1, number, {}));
    EXPECT_TRUE(session.kernel.wait_for_answers(++served));
  }
  return session.kernel.answers().back();
}

TEST(Start, LetsTheRuntimeMakeItsCallsAndNobodyElse) {
  const Supervision supervision = exempting_the_start();
  struct Case {
    std::vector<int> calls;
    Kind last;
  };
  const std::vector<Case> cases = {
      {{SYS_setuid}, Kind::kAnswerContinue},
      {{SYS_setuid, SYS_capset}, Kind::kAnswerContinue},
      {{SYS_ptrace}, Kind::kAnswerErrno},  // no runtime calls it
      {{SYS_setuid, SYS_execve}, Kind::kAnswerContinue},
      {{SYS_setuid, SYS_execve, SYS_setuid}, Kind::kAnswerErrno},
      {{SYS_execve, SYS_capset}, Kind::kAnswerErrno},
      {{SYS_execveat, SYS_setuid}, Kind::kAnswerErrno},
      {{SYS_execve, SYS_execve}, Kind::kAnswerContinue},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(::testing::PrintToString(test.calls));
    ScriptedSession session;
    session.start(supervision);
    EXPECT_EQ(answer_after(session, test.calls).kind, test.last);
    const bool refused = test.last == Kind::kAnswerErrno;
    EXPECT_EQ(session.end().size(), refused ? 1U : 0U) << "only refusals are events";
  }
}

TEST(Start, ExemptsNobodyWhereTheFilterDoesNotTellOfItsEnd) {
  const Supervision supervision = exempting_the_start(false);
  ScriptedSession session;
  session.start(supervision);
  EXPECT_EQ(answer_after(session, {SYS_setuid}).kind, Kind::kAnswerErrno);
}

TEST(Start, GoesOnWhenASignalTookTheRuntimeOutOfItsExecve) {
  const Supervision supervision = exempting_the_start();
  ScriptedSession session;
  session.kernel.before = [&](const ScriptedKernel::Recorded& call) {
    if (call.kind == Kind::kAnswerContinue && call.id == 1) session.kernel.invalidate(1);
  };
  session.start(supervision);
  EXPECT_EQ(answer_after(session, {SYS_execve, SYS_setuid}).kind, Kind::kAnswerContinue);
}

// The call that comes again is received by another thread, while the first has yet to learn that its answer
// was lost.
TEST(Start, IsOverForGoodWhenTheExecveThatCameAgainIsAnswered) {
  const Supervision supervision = exempting_the_start();
  ScriptedSession session;
  session.kernel.before = [&](const ScriptedKernel::Recorded& call) {
    if (call.kind != Kind::kAnswerContinue || call.id != 1) return;
    session.kernel.invalidate(1);
    session.kernel.notify(notification_of(2, SYS_execve, {}));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    const auto answered = [&] {
      const auto answers = session.kernel.answers();
      return std::any_of(answers.begin(), answers.end(), [](const auto& answer) { return answer.id == 2; });
    };
    while (!answered() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  };
  session.start(supervision);
  session.kernel.notify(notification_of(1, SYS_execve, {}));
  ASSERT_TRUE(session.kernel.wait_for_answers(2));
  session.kernel.notify(notification_of(3, SYS_setuid, {}));
  ASSERT_TRUE(session.kernel.wait_for_answers(3));
  EXPECT_EQ(session.kernel.answers().back().kind, Kind::kAnswerErrno);
}

// The workload may call the moment its execve is answered, and be received by another thread.
TEST(Start, IsOverBeforeTheExecveIsAnswered) {
  const Supervision supervision = exempting_the_start();
  ScriptedSession session;
  session.kernel.before = [&](const ScriptedKernel::Recorded& call) {
    if (call.kind == Kind::kAnswerContinue && call.id == 1)
      session.kernel.notify(notification_of(2, SYS_setuid, {}));
  };
  session.start(supervision);
  session.kernel.notify(notification_of(1, SYS_execve, {}));
  ASSERT_TRUE(session.kernel.wait_for_answers(2));
  for (const auto& answer : session.kernel.answers()) {
    EXPECT_EQ(answer.kind, answer.id == 1 ? Kind::kAnswerContinue : Kind::kAnswerErrno);
  }
}

TEST(Session, LogsOnlyWhatThePolicyWants) {
  const Supervision silent = supervision_of(R"({"version": 1, "events": {"log": []},
      "network": {"allow": ["tcp://192.0.2.1:80"]}})");
  for (const char* host : {"192.0.2.1", "192.0.2.2"}) {
    ScriptedSession session;
    session.kernel.put_memory(kPointer, ipv4(host, 80));
    session.start(silent);
    EXPECT_TRUE(session.serve(address_call(1, SYS_connect, 16)).empty());
    // Nor is anything asked that only an event would say.
    EXPECT_TRUE(session.kernel.calls(Kind::kReadProcLink).empty());
  }
}

TEST(Session, LetsEverythingRunInAuditModeAndReportsWhatItWouldHaveRefused) {
  const Supervision audit = supervision_of(R"({"version": 1, "mode": "audit",
      "network": {"allow": ["tcp://192.0.2.1:80"]},
      "syscalls": [{"names": ["ptrace"], "action": "errno"}, {"names": ["bpf"], "action": "kill"}]})");
  const struct {
    int number;
    const char* host;
    const char* verdict;
  } cases[] = {{SYS_connect, "192.0.2.1", "allowed"},
               {SYS_connect, "192.0.2.2", "audited"},
               {SYS_ptrace, "192.0.2.1", "audited"},
               {SYS_bpf, "192.0.2.1", "audited"}};
  for (const auto& test : cases) {
    ScriptedSession session;
    session.kernel.put_memory(kPointer, ipv4(test.host, 80));
    session.start(audit);
    const auto events = session.serve(address_call(1, test.number, 16));
    ASSERT_EQ(session.kernel.answers().size(), 1U);
    EXPECT_EQ(session.kernel.answers()[0].kind, Kind::kAnswerContinue);
    EXPECT_TRUE(session.kernel.performed().empty());
    EXPECT_TRUE(session.kernel.calls(Kind::kKill).empty());
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0]["verdict"], test.verdict);
    EXPECT_EQ(events[0]["denied"], std::string_view(test.verdict) == "audited");
  }
}

TEST(Session, ObeysTheBundlesOwnProfileFirst) {
  const auto profile = nlohmann::ordered_json::parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
      {"names": ["getuid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0},
      {"names": ["getppid"], "action": "SCMP_ACT_KILL_PROCESS"},
      {"names": ["getgid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
      {"names": ["connect"], "action": "SCMP_ACT_ERRNO", "errnoRet": 6,
       "args": [{"index": 2, "value": 16, "op": "SCMP_CMP_EQ"}]}]})");
  for (const char* mode : {"enforce", "audit"}) {
    SCOPED_TRACE(mode);
    const Supervision made = supervision_of(
        R"({"version": 1, "mode": ")" + std::string(mode) +
            R"(", "network": {"allow": ["192.0.2.0/24"]}, "syscalls": [{"names": ["ptrace"], "action": "allow"}]})",
        profile, {"ptrace", "getuid", "getppid", "connect"});
    const struct {
      int number;
      std::uint64_t length;
      Kind answer;
      std::int64_t value;
      const char* verdict;
    } cases[] = {{SYS_ptrace, 16, Kind::kAnswerErrno, 5, "denied"},
                 {SYS_getuid, 16, Kind::kAnswerValue, 0, "denied"},
                 {SYS_getppid, 16, Kind::kAnswerErrno, EPERM, "killed"},
                 {SYS_connect, 16, Kind::kAnswerErrno, 6, "denied"},
                 // Not residual: the filter has decided that already.
                 {SYS_getgid, 16, Kind::kAnswerContinue, 0, nullptr}};
    for (const auto& test : cases) {
      SCOPED_TRACE(test.number);
      ScriptedSession session;
      session.start(made);
      const auto events = session.serve(address_call(1, test.number, test.length));
      const auto answers = session.kernel.answers();
      ASSERT_EQ(answers.size(), 1U);
      EXPECT_EQ(answers[0].kind, test.answer);
      EXPECT_EQ(answers[0].value, test.value);
      EXPECT_TRUE(session.kernel.performed().empty());
      ASSERT_EQ(events.size(), test.verdict != nullptr ? 1U : 0U);
      if (test.verdict != nullptr) {
        EXPECT_EQ(events[0]["verdict"], test.verdict);
        EXPECT_EQ(events[0]["rule"], "linux.seccomp");
      }
    }
    // What the profile lets run, the policy decides.
    ScriptedSession session;
    session.kernel.put_memory(kPointer, resized(ipv4("192.0.2.1", 80), 17));
    session.start(made);
    (void)session.serve(address_call(1, SYS_connect, 17));
    EXPECT_EQ(session.kernel.performed().size(), mode == std::string_view("audit") ? 0U : 1U);
  }
}

// --- answers that do not arrive ----------------------------------------------------------------------

// A signal takes the target out of its call after it was performed; the call comes again, under a new id.
TEST(Session, DoesNotPerformACallTwiceWhoseAnswerWasLost) {
  for (const int number : {SYS_connect, SYS_bind}) {
    for (const int first_result : {0, EINPROGRESS}) {
      if (number == SYS_bind && first_result != 0) continue;
      SCOPED_TRACE(::testing::Message() << number << ' ' << first_result);
      ScriptedSession session;
      session.kernel.put_memory(kPointer, ipv4("192.0.2.1", 80));
      int performed = 0;
      const auto perform = [&](int, std::span<const std::byte>) -> Status {
        // As the kernel would answer a socket that is connected, connecting or bound already.
        if (performed++ > 0)
          return fail(number == SYS_bind ? EINVAL : first_result == 0 ? EISCONN : EALREADY, "");
        if (first_result != 0) return fail(first_result, "");
        return {};
      };
      session.kernel.on_connect = perform;
      session.kernel.on_bind_unprivileged = perform;
      // Twice in a row.
      session.kernel.before = [&](const ScriptedKernel::Recorded& call) {
        if (call.id < 3 && (call.kind == Kind::kAnswerValue || call.kind == Kind::kAnswerErrno)) {
          session.kernel.invalidate(call.id);
        }
      };
      session.start();
      for (std::uint64_t id = 1; id <= 3; ++id) {
        session.kernel.notify(address_call(id, number, 16));
        ASSERT_TRUE(session.kernel.wait_for_answers(id));
      }
      // Reported where it happened, and once.
      const auto events = session.end();
      ASSERT_EQ(events.size(), 1U);
      EXPECT_EQ(events[0]["verdict"], "allowed");
      EXPECT_EQ(performed, 1);
      const auto answers = session.kernel.answers();
      ASSERT_EQ(answers.size(), 3U);
      for (const auto& answer : answers) {
        EXPECT_EQ(answer.kind, first_result == 0 ? Kind::kAnswerValue : Kind::kAnswerErrno);
        EXPECT_EQ(answer.value, first_result);
      }
    }
  }
}

// The kernel goes on connecting. Where the call is restarted it has to wait on, and not be told of the
// signal.
TEST(Session, ReportsAnInterruptedConnectAndGoesOnWithIt) {
  ScriptedSession session;
  int performed = 0;
  session.kernel.on_connect = [&](int, std::span<const std::byte>) -> Status {
    if (++performed < 3) return fail(EINTR, "");
    return {};
  };
  session.kernel.before = [&](const ScriptedKernel::Recorded& call) {
    if (call.id < 3 && call.kind == Kind::kAnswerErrno) session.kernel.invalidate(call.id);
  };
  session.start();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    session.kernel.notify(address_call(id, SYS_connect, 16));
    ASSERT_TRUE(session.kernel.wait_for_answers(id));
  }
  const auto events = session.end();
  EXPECT_EQ(performed, 3);
  EXPECT_EQ(session.kernel.answers().back().kind, Kind::kAnswerValue);
  // That it was begun, and how it ended: each by whoever served it, and so in any order.
  ASSERT_EQ(events.size(), 2U);
  std::multiset<std::string> ends;
  for (const auto& event : events) {
    EXPECT_EQ(event["verdict"], "allowed");
    ends.insert(event.value("errno", "connected"));
  }
  EXPECT_EQ(ends, (std::multiset<std::string>{"EINTR", "connected"}));
}

// Nobody may go unseen by having a signal sent to itself.
TEST(Session, ReportsWhateverWasAttemptedThoughItsAnswerWasLost) {
  const struct {
    int number;
    const char* host;
    int result;
    bool reported;
  } cases[] = {
      {SYS_connect, "192.0.2.1", 0, true},     {SYS_connect, "192.0.2.1", EINPROGRESS, true},
      {SYS_connect, "192.0.2.1", EINTR, true}, {SYS_connect, "192.0.2.1", ECONNREFUSED, true},
      {SYS_connect, "192.0.2.2", 0, false},  // refused: nothing has happened
      {SYS_bind, "192.0.2.1", 0, true},        {SYS_bind, "192.0.2.1", EADDRINUSE, false},
      {SYS_getppid, "192.0.2.1", 0, false},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(::testing::Message() << test.number << ' ' << test.host << ' ' << test.result);
    ScriptedSession session;
    session.kernel.put_memory(kPointer, ipv4(test.host, 80));
    const auto perform = [&](int, std::span<const std::byte>) -> Status {
      if (test.result != 0) return fail(test.result, "");
      return {};
    };
    session.kernel.on_connect = perform;
    session.kernel.on_bind_unprivileged = perform;
    session.kernel.before = [&](const ScriptedKernel::Recorded& call) {
      if (call.kind == Kind::kAnswerValue || call.kind == Kind::kAnswerErrno ||
          call.kind == Kind::kAnswerContinue)
        session.kernel.invalidate(call.id);
    };
    session.start();
    const auto events = session.serve(address_call(1, test.number, 16));
    ASSERT_EQ(events.size(), test.reported ? 1U : 0U);
    if (!test.reported) continue;
    EXPECT_EQ(events[0]["verdict"], "allowed");
    // Its number may have been another's already when /proc was asked.
    EXPECT_EQ(events[0]["tid"], kTid);
    for (const char* key : {"pid", "parent_pid", "executable"}) EXPECT_FALSE(events[0].contains(key)) << key;
  }
}

TEST(Session, NamesWhomItKilled) {
  for (const bool gone_before : {false, true}) {
    SCOPED_TRACE(gone_before);
    ScriptedSession session;
    session.kernel.before = [&](const ScriptedKernel::Recorded& call) {
      // Whom we have killed takes no answer.
      if (call.kind == Kind::kKill || (gone_before && call.kind == Kind::kReadProcFile))
        session.kernel.invalidate(1);
    };
    session.start();
    const auto events = session.serve(address_call(1, SYS_bpf, 16));
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0]["verdict"], "killed");
    EXPECT_EQ(events[0].contains("pid"), !gone_before);
    EXPECT_EQ(events[0].contains("executable"), !gone_before);
  }
}

TEST(Session, PerformsACallAgainWhoseAnswerArrived) {
  ScriptedSession session;
  session.start();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    session.kernel.notify(address_call(id, SYS_connect, 16));
    ASSERT_TRUE(session.kernel.wait_for_answers(id));
  }
  (void)session.end();
  EXPECT_EQ(session.kernel.performed().size(), 3U);
}

// --- a session that cannot go on ----------------------------------------------------------------------

TEST(Session, SaysWhenNobodyReceivesAnyMore) {
  ScriptedSession session;
  session.kernel.fail_always(Kind::kReceive, EIO);
  session.start();
  EXPECT_FALSE(session.session().ended());
  session.kernel.notify(address_call(1, SYS_connect, 16));
  // So that the agent closes it: its target's calls would wait for ever.
  ASSERT_TRUE(session.wait_for_wake());
  EXPECT_TRUE(session.session().ended());
  EXPECT_TRUE(session.session().gave_up());
}

TEST(Session, StopsWithoutBeingWaitedFor) {
  ScriptedSession session;
  session.start();
  session.session().begin_stop();
  // As Agent does: again and again, for a thread may not have begun to wait.
  while (!session.wait_for_wake(20)) (void)session.session().look_after();
  EXPECT_TRUE(session.session().ended());
  EXPECT_FALSE(session.session().look_after());
}

// --- calls of the agent's own that fail ---------------------------------------------------------------

struct FaultScenario {
  const char* name;
  int number;
  const char* host;
  std::uint16_t port;
  const char* mode;         // of the policy
  bool may_perform;         // an allowed connect or bind
  bool may_continue;        // the kernel may be told to run it
  bool privileged = false;  // a bind needs the capability
};

// In turn and in every way each call that the agent makes fails: nothing that is refused takes place, and
// each notification gets exactly one answer.
TEST(Session, NeverFailsOpenAndNeverLeavesATargetWaiting) {
  const Supervision enforcing = supervision_of(kPolicy);
  std::string audit_policy = kPolicy;
  audit_policy.replace(audit_policy.find("1,"), 2, "1, \"mode\": \"audit\",");
  const Supervision audit = supervision_of(audit_policy);
  const auto profile = nlohmann::ordered_json::parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["getgid"], "action": "SCMP_ACT_ERRNO"}, {"names": ["ptrace"], "action": "SCMP_ACT_KILL"}]})");
  const Supervision residual = supervision_of(kPolicy, profile, {"getgid", "ptrace"});

  const FaultScenario scenarios[] = {
      {"connect, allowed", SYS_connect, "192.0.2.1", 80, "enforce", true, false},
      {"connect, refused", SYS_connect, "192.0.2.2", 80, "enforce", false, false},
      {"connect, audited", SYS_connect, "192.0.2.2", 80, "audit", false, true},
      {"bind, allowed", SYS_bind, "0.0.0.0", 8080, "enforce", true, false},
      {"bind, allowed and privileged", SYS_bind, "0.0.0.0", 80, "enforce", true, false, true},
      {"bind, refused", SYS_bind, "0.0.0.0", 81, "enforce", false, false},
      {"errno", SYS_ptrace, "0.0.0.0", 1, "enforce", false, false},
      {"kill", SYS_bpf, "0.0.0.0", 1, "enforce", false, false},
      {"log", SYS_getppid, "0.0.0.0", 1, "enforce", false, true},
      {"the bundle's own errno", SYS_getgid, "0.0.0.0", 1, "residual", false, false},
      {"the bundle's own kill", SYS_ptrace, "0.0.0.0", 1, "residual", false, false},
      {"an unknown call", 1023, "0.0.0.0", 1, "enforce", false, false},
  };
  const int codes[] = {ESRCH, EPERM, EMFILE, ENOMEM, EINTR, EFAULT};

  for (const FaultScenario& scenario : scenarios) {
    const std::string_view mode = scenario.mode;
    const Supervision& with = mode == "audit" ? audit : mode == "residual" ? residual : enforcing;
    const auto run = [&](bool faulty, auto&& order) {
      ScriptedSession session;
      session.kernel.put_memory(kPointer, ipv4(scenario.host, scenario.port));
      if (scenario.privileged) {
        session.kernel.on_bind_unprivileged = [](int, std::span<const std::byte>) -> Status {
          return fail(EACCES, "bind");
        };
      }
      order(session.kernel);
      session.start(with);
      const auto events = session.serve(address_call(1, scenario.number, 16));

      const auto answers = session.kernel.answers();
      // Where the kernel does not take the answer, it is asked once more, to refuse.
      EXPECT_GE(answers.size(), 1U);
      EXPECT_LE(answers.size(), faulty ? 2U : 1U);
      if (answers.size() > 1) {
        EXPECT_EQ(answers.back().kind, Kind::kAnswerErrno);
        EXPECT_EQ(answers.back().value, EPERM);
      }
      EXPECT_LE(events.size(), 1U);
      if (!scenario.may_perform) {
        EXPECT_TRUE(session.kernel.performed().empty());
      }
      EXPECT_LE(session.kernel.performed().size(), scenario.privileged ? 2U : 1U);
      for (const auto& answer : answers) {
        if (!scenario.may_continue) {
          EXPECT_NE(answer.kind, Kind::kAnswerContinue);
        }
        if (!scenario.may_perform) {
          EXPECT_NE(answer.kind, Kind::kAnswerValue);
        }
        if (answer.kind == Kind::kAnswerValue) {
          EXPECT_GE(session.kernel.performed().size(), 1U);
        }
        if (answer.kind == Kind::kAnswerErrno) {
          EXPECT_GT(answer.value, 0);
        }
      }
      return session.kernel.calls().size();
    };

    SCOPED_TRACE(scenario.name);
    const std::size_t count = run(false, [](ScriptedKernel&) {});
    EXPECT_GE(count, 2U);
    for (std::size_t index = 0; index < count; ++index) {
      for (const int code : codes) {
        SCOPED_TRACE(::testing::Message() << "call " << index << ' ' << ::strerrorname_np(code));
        run(true, [&](ScriptedKernel& kernel) { kernel.fail_at(index, code); });
        run(true, [&](ScriptedKernel& kernel) { kernel.fail_from(index, code); });
      }
    }
  }
}

// --- a session that makes room for the next worker's ---------------------------------------------------

TEST(Session, FinishesWhatItServesAndLeavesWhatComesMeanwhile) {
  ScriptedSession scripted;
  std::promise<void> begun;
  std::promise<void> released;
  scripted.kernel.on_connect = [&](int, std::span<const std::byte>) -> Status {
    begun.set_value();
    (void)released.get_future().wait_for(std::chrono::seconds(10));
    return {};
  };
  scripted.start();
  scripted.kernel.notify(address_call(1, SYS_connect, 16));
  begun.get_future().wait();
  scripted.session().begin_drain();
  scripted.kernel.notify(notification_of(2, SYS_ptrace, {}));
  while (scripted.kernel.calls(Kind::kReceive).size() < 2) {
    ASSERT_FALSE(scripted.session().ended());
    EXPECT_TRUE(scripted.session().look_after());
    std::this_thread::yield();
  }
  EXPECT_FALSE(scripted.session().ended());
  released.set_value();
  EXPECT_TRUE(scripted.comes_to_its_end());
  ASSERT_EQ(scripted.kernel.answers().size(), 1U);
  EXPECT_EQ(scripted.kernel.answers()[0].id, 1U);
  EXPECT_EQ(scripted.kernel.answers()[0].kind, Kind::kAnswerValue);
  // As if it had just come, and nobody were to blame for anything.
  scripted.start_again();
  ASSERT_TRUE(scripted.kernel.wait_for_answers(2));
  EXPECT_EQ(scripted.kernel.answers()[1].id, 2U);
  EXPECT_EQ(scripted.kernel.answers()[1].value, ENOSYS);
  const auto events = scripted.end();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0]["syscall"], "connect");
  EXPECT_EQ(events[1]["syscall"], "ptrace");
  EXPECT_EQ(events[1]["verdict"], "denied");
}

// Its stand-in's calls are part of it: to leave them open would be to wait for oneself.
TEST(Session, AnswersStandInsUntilWhatTheyAreForHasComeToItsEnd) {
  constexpr pid_t kStandIn = 77;
  class Driving final : public Tracer {
   public:
    Result<std::unique_ptr<Trace>> attach(pid_t, CallSite, DecidedExecution) override {
      return fail(EPERM, "");
    }
    Status start_stand_in(const Notification&, const StandInRequest&,
                          std::unique_ptr<StandInCalls>&) override {
      return fail(EPERM, "");
    }
    [[nodiscard]] bool drives(pid_t tid) const override { return tid == kStandIn; }
    bool answer_stand_in(Notification& notification) override {
      notification.answered_elsewhere();
      answered.set_value();
      return true;
    }
    std::promise<void> answered;
  };
  ScriptedSession scripted;
  Driving tracer;
  std::promise<void> begun;
  scripted.kernel.on_connect = [&](int, std::span<const std::byte>) -> Status {
    begun.set_value();
    EXPECT_EQ(tracer.answered.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
    return {};
  };
  scripted.start(supervision(), &tracer);
  scripted.kernel.notify(address_call(1, SYS_connect, 16));
  begun.get_future().wait();
  scripted.session().begin_drain();
  struct seccomp_notif driven = notification_of(2, SYS_connect, {});
  driven.pid = kStandIn;
  scripted.kernel.notify(driven);
  EXPECT_TRUE(scripted.comes_to_its_end());
  ASSERT_EQ(scripted.kernel.answers().size(), 1U);
  EXPECT_EQ(scripted.kernel.answers()[0].id, 1U);
}

// --- what an earlier worker left ----------------------------------------------------------------------

TEST(Session, ServesWhatAnEarlierWorkerHadReceived) {
  ScriptedSession scripted;
  scripted.kernel.stand(7);
  scripted.leave_slot(address_call(7, SYS_connect, 16));
  scripted.start();
  ASSERT_TRUE(scripted.kernel.wait_for_answers(1));
  EXPECT_EQ(scripted.kernel.answers()[0].id, 7U);
  EXPECT_EQ(scripted.end().size(), 1U);
}

TEST(Session, SendsTheAnswerThatAnEarlierWorkerHadAndDoesNothingTwice) {
  for (const bool answering : {false, true}) {
    ScriptedSession scripted;
    scripted.kernel.stand(7);
    Slot& slot = scripted.leave_slot(address_call(7, SYS_connect, 16));
    slot.begin(kTcp4.cookie, ipv4("192.0.2.1", 80));
    slot.record(Answer::refuse(ECONNREFUSED));
    if (answering) slot.begin_answer();
    scripted.start();
    ASSERT_TRUE(scripted.kernel.wait_for_answers(1));
    EXPECT_EQ(scripted.kernel.answers()[0].value, ECONNREFUSED);
    EXPECT_TRUE(scripted.kernel.performed().empty());
    (void)scripted.end();
  }
}

TEST(Session, LeavesAloneWhatIsOver) {
  ScriptedSession scripted;
  scripted.leave_slot(address_call(7, SYS_connect, 16));
  scripted.start();
  const auto events = scripted.serve(notification_of(8, SYS_getpgid, {0}));
  ASSERT_EQ(scripted.kernel.answers().size(), 1U);
  EXPECT_EQ(scripted.kernel.answers()[0].id, 8U);
  for (const auto& event : events) EXPECT_FALSE(event.contains("lost"));
}

// A signal took the target out of its call before the worker died.
TEST(Session, KnowsWhatAnEarlierWorkerPerformedInVain) {
  ScriptedSession scripted;
  Slot& slot = scripted.leave_slot(address_call(7, SYS_connect, 16));
  slot.begin(kTcp4.cookie, ipv4("192.0.2.1", 80));
  slot.record(Answer::result(0));
  scripted.start();
  (void)scripted.serve(address_call(8, SYS_connect, 16));
  ASSERT_EQ(scripted.kernel.answers().size(), 1U);
  EXPECT_EQ(scripted.kernel.answers()[0].value, 0);
  EXPECT_TRUE(scripted.kernel.performed().empty());
}

// The worker died in it, and the signal came before there was another one.
TEST(Session, AsksTheSocketWhetherAnEarlierWorkerHasBoundIt) {
  for (const bool bound : {true, false}) {
    ScriptedSession scripted;
    Slot& slot = scripted.leave_slot(address_call(7, SYS_bind, 16));
    slot.begin(kTcp4.cookie, ipv4("192.0.2.1", 80));
    scripted.kernel.own = ipv4("192.0.2.1", 80);
    if (bound) {
      scripted.kernel.on_bind_unprivileged = [](int, std::span<const std::byte>) -> Status {
        return fail(EINVAL, "bind");
      };
    }
    scripted.start();
    (void)scripted.serve(address_call(8, SYS_bind, 16));
    ASSERT_EQ(scripted.kernel.answers().size(), 1U);
    EXPECT_EQ(scripted.kernel.answers()[0].kind, Kind::kAnswerValue);
    EXPECT_EQ(scripted.kernel.answers()[0].value, 0);
  }
}

// Likewise. What the kernel has noted is what the target would have been told of natively. Of several
// messages those that went count, and the last one's length is told: the others' the earlier worker had told.
TEST(Session, DoesNotSendAgainWhatAnEarlierWorkerHadSent) {
  constexpr std::uint64_t kHeadersAt = 8192;
  constexpr std::uint64_t kPartsAt = 16384;
  constexpr std::uint64_t kBytesAt = 32768;
  constexpr std::uint32_t kMessages = 3;
  struct Case {
    int number;
    std::uint32_t before;  // messages
    std::optional<std::uint32_t> taken;
    std::int64_t answer;
    std::size_t sends;
  };
  for (const Case& each :
       {Case{SYS_sendmsg, 0, {}, 5, 1}, Case{SYS_sendmsg, 0, 3, 3, 0},
        Case{SYS_sendmmsg, 0, {}, kMessages, kMessages}, Case{SYS_sendmmsg, 0, 4, 1, 0},
        Case{SYS_sendmmsg, 1, {}, 1, 0}, Case{SYS_sendmmsg, 1, 4, 2, 0}, Case{SYS_sendmmsg, 2, 5, 3, 0}}) {
    const bool several = each.number == SYS_sendmmsg;
    const auto call = [&](std::uint64_t id) {
      return notification_of(id, each.number, {kSocketNumber, kHeadersAt, several ? kMessages : 0, 0});
    };
    // How a worker notes the call.
    std::uint64_t cookie = 0;
    std::vector<std::byte> address;
    const auto prepare = [&](ScriptedSession& scripted) {
      const struct iovec part = {reinterpret_cast<void*>(kBytesAt), 5};
      struct msghdr header {};
      header.msg_iov = reinterpret_cast<struct iovec*>(kPartsAt);
      header.msg_iovlen = 1;
      for (std::uint32_t i = 0; i < kMessages; ++i)
        scripted.kernel.put_memory(kHeadersAt + i * sizeof(struct mmsghdr), bytes_of(header));
      scripted.kernel.put_memory(kPartsAt, bytes_of(part));
      scripted.kernel.put_memory(kBytesAt, std::vector<std::byte>(5, std::byte{1}));
      scripted.kernel.on_send = [&](const OutgoingMessage&, int) -> Result<std::size_t> {
        cookie = Slot::own->cookie;
        address.assign(Slot::own->address.begin(), Slot::own->address.begin() + Slot::own->address_size);
        return 5;
      };
    };
    ScriptedSession first;
    prepare(first);
    first.start();
    (void)first.serve(call(7));
    ASSERT_NE(cookie, 0U);

    ScriptedSession next;
    prepare(next);
    Slot& slot = next.leave_slot(call(7));
    slot.begin(cookie, address);
    struct mmsghdr& note = slot.next_send(each.before, 0);
    if (each.taken) note.msg_len = *each.taken;
    next.start();
    (void)next.serve(call(8));
    ASSERT_EQ(next.kernel.answers().size(), 1U);
    EXPECT_EQ(next.kernel.answers()[0].value, each.answer);
    EXPECT_EQ(next.kernel.calls(Kind::kSend).size(), each.sends);
    if (!several || !each.taken) continue;
    const auto told = next.kernel.calls(Kind::kWriteMemory);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].value, static_cast<std::int64_t>(kHeadersAt + each.before * sizeof(struct mmsghdr) +
                                                       offsetof(struct mmsghdr, msg_len)));
    EXPECT_EQ(told[0].bytes, bytes_of(*each.taken));
  }
}

TEST(Session, SaysThatAnEventWasLostWithAnEarlierWorker) {
  for (const bool stands : {false, true}) {
    ScriptedSession scripted;
    if (stands) scripted.kernel.stand(7);
    Slot& slot = scripted.leave_slot(address_call(7, SYS_connect, 16));
    slot.owe_event();
    scripted.start();
    // Whoever still waits is served, and told of.
    if (stands) {
      ASSERT_TRUE(scripted.kernel.wait_for_answers(1));
    }
    const auto events = scripted.end();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].value("lost", 0), stands ? 0 : 1);
    EXPECT_FALSE(slot.owes_event());
  }
}

TEST(Session, RefusesWhatHasCrashedTwoWorkers) {
  ScriptedSession scripted;
  scripted.kernel.stand(7);
  scripted.leave_slot(address_call(7, SYS_connect, 16)).crashes = Slot::kMostCrashes;
  scripted.start();
  ASSERT_TRUE(scripted.kernel.wait_for_answers(1));
  EXPECT_EQ(scripted.kernel.answers()[0].value, EPERM);
  EXPECT_TRUE(scripted.kernel.performed().empty());
  const auto events = scripted.end();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["verdict"], "failed");
}

// Whether the answer had reached the target is not known. That it succeeded may be said twice.
TEST(Session, KnowsASuccessThatWasBeingAnsweredWhenAWorkerDied) {
  for (const bool succeeded : {true, false}) {
    ScriptedSession scripted;
    Slot& slot = scripted.leave_slot(address_call(7, SYS_connect, 16));
    slot.begin(kTcp4.cookie, ipv4("192.0.2.1", 80));
    slot.record(succeeded ? Answer::result(0) : Answer::refuse(ECONNREFUSED));
    slot.begin_answer();
    scripted.start();
    (void)scripted.serve(address_call(8, SYS_connect, 16));
    ASSERT_EQ(scripted.kernel.answers().size(), 1U);
    EXPECT_EQ(scripted.kernel.answers()[0].kind, Kind::kAnswerValue);
    // What failed may be another call, which has yet to be made.
    EXPECT_EQ(scripted.kernel.performed().empty(), succeeded);
  }
}

// The one who was asked by the worker that died answers in the end, and has the effect.
TEST(Session, CountsTheEventOfWhatAnotherOneAnswered) {
  for (const bool owed : {true, false}) {
    ScriptedSession scripted;
    scripted.kernel.put_memory(kPointer, ipv4("192.0.2.2", 80));
    scripted.kernel.stand(7);
    Slot& slot = scripted.leave_slot(address_call(7, SYS_connect, 16));
    if (owed) slot.owe_event();
    scripted.kernel.before = [&](const ScriptedKernel::Recorded& call) {
      if (call.kind == Kind::kAnswerErrno) scripted.kernel.invalidate(7);
    };
    scripted.start();
    ASSERT_TRUE(scripted.kernel.wait_for_answers(1));
    const auto events = scripted.end();
    ASSERT_EQ(events.size(), owed ? 1U : 0U);
    if (owed) {
      EXPECT_EQ(events[0].value("lost", 0), 1);
    }
    EXPECT_FALSE(slot.owes_event());
  }
}

// Performs everything, and looks at the slot before the target gets the result.
class ScriptedStandIn final : public StandInCalls {
 public:
  ScriptedStandIn(Kernel& kernel, pid_t tid, std::function<void()> finished)
      : kernel_(kernel), tid_(tid), finished_(std::move(finished)) {}
  std::uint64_t put(std::size_t offset, std::span<const std::byte> /*bytes*/) override { return offset; }
  Result<long> call(long /*number*/, const std::array<std::uint64_t, 6>& /*arguments*/) override { return 0; }
  Result<long> perform(long /*number*/, const std::array<std::uint64_t, 6>& /*arguments*/,
                       long /*message*/) override {
    return 5;
  }
  [[nodiscard]] Result<UniqueFd> duplicate_fd(int number) const override {
    return kernel_.duplicate_fd(TRY(kernel_.open_thread(tid_)).get(), number);
  }
  [[nodiscard]] Result<UniqueFd> open_descriptor(int /*number*/) const override { return fail(ENOSYS, ""); }
  [[nodiscard]] Result<UniqueFd> open_working_directory() const override { return fail(ENOSYS, ""); }
  Status finish(long result) override {
    EXPECT_EQ(result, 5);
    finished_();
    return {};
  }

 private:
  Kernel& kernel_;
  pid_t tid_;
  std::function<void()> finished_;
};

class ScriptedTracer final : public Tracer {
 public:
  explicit ScriptedTracer(Kernel& kernel) : kernel_(kernel) {}
  Result<std::unique_ptr<Trace>> attach(pid_t, CallSite, DecidedExecution) override {
    return fail(EPERM, "");
  }
  Status start_stand_in(const Notification& notification, const StandInRequest& /*request*/,
                        std::unique_ptr<StandInCalls>& stand_in) override {
    stand_in = std::make_unique<ScriptedStandIn>(kernel_, notification.tid(), [this] {
      stage = Slot::own->stage.load();
      finished.store(true);
    });
    return {};
  }
  [[nodiscard]] bool drives(pid_t /*tid*/) const override { return false; }
  bool answer_stand_in(Notification& /*notification*/) override { return false; }

  std::atomic<bool> finished{false};
  Slot::Stage stage = Slot::Stage::kIdle;

 private:
  Kernel& kernel_;
};

// A worker that dies then leaves nothing that could be taken for the result of the next message like it.
TEST(Session, DoesNotNoteWhatAStandInPerformed) {
  ScriptedSession scripted;
  ScriptedTracer tracer(scripted.kernel);
  scripted.kernel.put_process(
      kTid,
      {"Name:\tx\nTgid:\t99\nPPid:\t98\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNStgid:\t99\n", "/usr/bin/x"});
  scripted.kernel.put_socket(kSocketNumber, {AF_UNIX, SOCK_DGRAM, 0, 75});
  scripted.kernel.put_memory(kPointer, std::vector<std::byte>(5, std::byte{1}));
  // As to a rootless agent, which may not name its target as the sender.
  scripted.kernel.on_send = [](const OutgoingMessage&, int) -> Result<std::size_t> {
    return fail(EPERM, "");
  };
  scripted.start(supervision(), &tracer);
  scripted.kernel.notify(notification_of(1, SYS_sendto, {kSocketNumber, kPointer, 5, 0, 0, 0}));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!tracer.finished && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  (void)scripted.end();
  ASSERT_TRUE(tracer.finished);
  EXPECT_EQ(scripted.kernel.calls(Kind::kSend).size(), 1U);
  EXPECT_EQ(tracer.stage, Slot::Stage::kPerforming);
}

}  // namespace
}  // namespace tidewaiter::supervisor
