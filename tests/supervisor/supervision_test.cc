#include "supervisor/supervision.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/supervisor/supervised_call.h"

namespace tidewaiter::supervisor {
namespace {

using policy::Operation;

TEST(Supervision, FailsOnARecordItCannotRead) {
  const auto unreadable = Supervision::make(record_of("{"));
  ASSERT_FALSE(unreadable);
  EXPECT_NE(unreadable.error().message().find("test.json"), std::string::npos)
      << unreadable.error().message();

  const auto wrong = Supervision::make(record_of(R"({"version": 1, "network": {"alow": []}})"));
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message().find("/network/alow"), std::string::npos) << wrong.error().message();

  const auto profile = Supervision::make(
      record_of(R"({"version": 1})",
                nlohmann::ordered_json::parse(R"({"defaultAction": "SCMP_ACT_NONSENSE"})"), {"ptrace"}));
  ASSERT_FALSE(profile);
  EXPECT_NE(profile.error().message().find("linux.seccomp"), std::string::npos) << profile.error().message();
}

TEST(Supervision, SupervisesWhatThePolicyRestricts) {
  const struct {
    const char* policy;
    bool connect;
    bool bind;
    bool exec = false;
  } cases[] = {
      {R"({"version": 1})", false, false},
      {R"({"version": 1, "network": {}})", false, false},
      {R"({"version": 1, "network": {"allow": []}})", true, false},
      {R"({"version": 1, "network": {"deny": ["192.0.2.1"]}})", true, false},
      {R"({"version": 1, "network": {"deny": []}})", false, false},
      {R"({"version": 1, "network": {"bind": []}})", false, true},
      {R"({"version": 1, "network": {"allow": ["*"], "bind": ["*"]}})", true, true},
      {R"({"version": 1, "exec": {}})", false, false},
      {R"({"version": 1, "exec": {"allow": []}})", false, false, true},
      {R"({"version": 1, "exec": {"deny": ["/bin/nc"]}})", false, false, true},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.policy);
    const Supervision supervision = supervision_of(test.policy);
    EXPECT_EQ(supervision.supervises(Operation::kConnect), test.connect);
    EXPECT_EQ(supervision.supervises(Operation::kSend), test.connect);
    EXPECT_EQ(supervision.supervises(Operation::kBind), test.bind);
    EXPECT_EQ(supervision.supervises(Operation::kExec), test.exec);
    EXPECT_FALSE(supervision.supervises(Operation::kNone));
  }
}

TEST(Supervision, ResolvesTheNamesOfThePolicy) {
  const Supervision supervision = supervision_of(R"({"version": 1, "network": {"allow": ["localhost:80"]}})");
  policy::Endpoint loopback;
  loopback.address.bytes = {127, 0, 0, 1};
  loopback.port = 80;
  EXPECT_EQ(supervision.decide_connect(loopback).verdict, policy::Verdict::kAllow);
  loopback.port = 81;
  EXPECT_EQ(supervision.decide_connect(loopback).verdict, policy::Verdict::kDeny);
  loopback.port = 80;
  loopback.address.bytes = {127, 0, 0, 2};
  EXPECT_EQ(supervision.decide_connect(loopback).verdict, policy::Verdict::kDeny);
}

TEST(Supervision, KnowsInitByItsFile) {
  container::Record record = record_of(R"({"version": 1, "exec": {"allow": []}})");
  EXPECT_FALSE(Supervision::make(record)->is_init(0, 0));
  record.init = {"/dev/.tidewaiter-init", "r", "r/", "--"};
  EXPECT_FALSE(Supervision::make(record)->is_init(0, 0));
  record.init_file = container::Record::File{2, 3};
  const auto supervision = Supervision::make(record);
  ASSERT_TRUE(supervision);
  EXPECT_TRUE(supervision->is_init(2, 3));
  EXPECT_FALSE(supervision->is_init(2, 4));
  EXPECT_FALSE(supervision->is_init(3, 3));
}

TEST(Supervision, SettlesWhatIsNotToBePerformed) {
  const Supervision enforce = supervision_of(R"({"version": 1})");
  const Supervision audit = supervision_of(R"({"version": 1, "mode": "audit"})");
  policy::Decision decision;
  for (const auto verdict : {policy::Verdict::kAllow, policy::Verdict::kDeny, policy::Verdict::kKill}) {
    decision.verdict = verdict;
    decision.errno_value = 42;
    const auto settled = enforce.settled(decision);
    EXPECT_EQ(settled.has_value(), verdict != policy::Verdict::kAllow);
    if (verdict == policy::Verdict::kDeny) {
      EXPECT_EQ(settled->kind, Answer::Kind::kErrno);
      EXPECT_EQ(settled->errno_value, 42);
    }
    if (verdict == policy::Verdict::kKill) {
      EXPECT_EQ(settled->kind, Answer::Kind::kKill);
    }
    ASSERT_TRUE(audit.settled(decision));
    EXPECT_EQ(audit.settled(decision)->kind, Answer::Kind::kLetRun);
  }
}

TEST(Supervision, AnswersForTheBundlesProfileOnlyWhereItIsResidual) {
  const auto profile = nlohmann::ordered_json::parse(R"({"defaultAction": "SCMP_ACT_ERRNO",
      "defaultErrnoRet": 38, "syscalls": [
      {"names": ["getuid"], "action": "SCMP_ACT_ALLOW"}, {"names": ["geteuid"], "action": "SCMP_ACT_LOG"},
      {"names": ["getppid"], "action": "SCMP_ACT_KILL"}, {"names": ["getgid"], "action": "SCMP_ACT_ERRNO"},
      {"names": ["ptrace"], "action": "SCMP_ACT_TRAP"},
      {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]})");
  const Supervision supervision =
      supervision_of(R"({"version": 1})", profile,
                     {"getuid", "geteuid", "getppid", "getgid", "ptrace", "personality", "bpf"});
  const auto ask = [&](const char* name, int number, std::uint64_t argument = 0) {
    return supervision.own_profile(name, notification_of(1, number, {argument}).data);
  };
  EXPECT_FALSE(ask("getuid", SYS_getuid));
  EXPECT_FALSE(ask("geteuid", SYS_geteuid));
  EXPECT_FALSE(ask("personality", SYS_personality, 8));
  const auto refused = ask("personality", SYS_personality, 9);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, Answer::Kind::kErrno);
  EXPECT_EQ(refused->errno_value, ENOSYS);
  ASSERT_TRUE(ask("getgid", SYS_getgid));
  EXPECT_EQ(ask("getgid", SYS_getgid)->errno_value, EPERM);
  ASSERT_TRUE(ask("bpf", SYS_bpf));
  EXPECT_EQ(ask("bpf", SYS_bpf)->errno_value, ENOSYS);
  ASSERT_TRUE(ask("getppid", SYS_getppid));
  EXPECT_EQ(ask("getppid", SYS_getppid)->kind, Answer::Kind::kKill);
  // No agent can give a trap; refused.
  ASSERT_TRUE(ask("ptrace", SYS_ptrace));
  EXPECT_EQ(ask("ptrace", SYS_ptrace)->kind, Answer::Kind::kErrno);
  // An architecture the profile does not have kills.
  const auto foreign = supervision.own_profile("getuid", notification_of(1, SYS_getuid, {}, 0x12345678).data);
  ASSERT_TRUE(foreign);
  EXPECT_EQ(foreign->kind, Answer::Kind::kKill);
  // Not residual: the filter has decided.
  EXPECT_FALSE(ask("setuid", SYS_setuid));
}

// It has no bundle to look at.
TEST(Supervision, KnowsFromItsRecordWhetherTheContainerSeesOthers) {
  auto record = record_of(R"({"version": 1, "limits": {"memory": "64M"}})");
  for (const bool others : {false, true}) {
    record.sees_others = others;
    const auto made = Supervision::make(record);
    ASSERT_TRUE(made);
    const auto decision = policy::decide_syscall(made->policy(), "ptrace", {0, 0, 0, 0, 0, 0});
    EXPECT_EQ(decision.verdict, others ? policy::Verdict::kDeny : policy::Verdict::kAllow);
  }
}

TEST(Supervision, KnowsFromItsRecordWhetherThereAreSnapshots) {
  auto record = record_of(R"({"version": 1, "files": {"write": ["/tmp"]}})");
  for (const bool snapshots : {false, true}) {
    record.snapshots = snapshots;
    const auto made = Supervision::make(record);
    ASSERT_TRUE(made);
    const auto decision = policy::decide_syscall(made->policy(), "ioctl", {3, 0x5000'9401, 0, 0, 0, 0});
    EXPECT_EQ(decision.verdict, snapshots ? policy::Verdict::kDeny : policy::Verdict::kAllow);
  }
}

// --- the index ----------------------------------------------------------------------------------------

TEST(SyscallIndex, KnowsTheCallsOfEveryAbi) {
  const SyscallIndex index({});
  const Syscall* connect = index.find(kNativeAudit, SYS_connect);
  ASSERT_NE(connect, nullptr);
  EXPECT_EQ(connect->name, "connect");
  EXPECT_EQ(connect->category, policy::Category::kNetwork);
  EXPECT_NE(connect->operation, nullptr);
  for (const int number : {-1, 1023, 1024, 0x3fffffff, 0x7fffffff, static_cast<int>(0x80000000)}) {
    EXPECT_EQ(index.find(kNativeAudit, number), nullptr) << number;
  }
  EXPECT_EQ(index.find(0, SYS_connect), nullptr);
#if defined(__x86_64__)
  const Syscall* i386 = index.find(AUDIT_ARCH_I386, 362);
  ASSERT_NE(i386, nullptr);
  EXPECT_EQ(i386->name, "connect");
  // Its structures are others.
  EXPECT_EQ(i386->operation, nullptr);
  EXPECT_EQ(i386->meaning, Operation::kConnect);
  const Syscall* x32 = index.find(AUDIT_ARCH_X86_64, 0x40000000 + SYS_connect);
  ASSERT_NE(x32, nullptr);
  EXPECT_EQ(x32->name, "connect");
  EXPECT_EQ(x32->operation, nullptr);
  EXPECT_EQ(x32->meaning, Operation::kConnect);
#endif
}

TEST(SyscallIndex, HasTheRulesOfEachCallInTheirOrder) {
  std::vector<policy::SyscallRule> rules(3);
  rules[0].names = {"ptrace", "bpf"};
  rules[1].names = {"bpf"};
  rules[2].names = {"ptrace", "ptrace"};
  const SyscallIndex index(rules);
  using Rules = std::vector<std::uint32_t>;
  const auto rules_of = [&](std::uint32_t audit_architecture, int number) {
    const auto found = index.rules(*index.find(audit_architecture, number)).naming;
    return Rules(found.begin(), found.end());
  };
  EXPECT_EQ(rules_of(kNativeAudit, SYS_ptrace), (Rules{0, 2}));
  EXPECT_EQ(rules_of(kNativeAudit, SYS_bpf), (Rules{0, 1}));
  EXPECT_EQ(rules_of(kNativeAudit, SYS_connect), Rules());
#if defined(__x86_64__)
  EXPECT_EQ(rules_of(AUDIT_ARCH_I386, 26), (Rules{0, 2}));
#endif
}

// A node's worker has an index for each container.
TEST(SyscallIndex, SharesTheCallsAndNotTheRules) {
  std::vector<policy::SyscallRule> rules(1);
  rules[0].names = {"ptrace", "no_such_call"};
  const SyscallIndex with(rules);
  const SyscallIndex without({});
  const Syscall* const call = with.find(kNativeAudit, SYS_ptrace);
  EXPECT_EQ(without.find(kNativeAudit, SYS_ptrace), call);
  EXPECT_EQ(with.rules(*call).naming.size(), 1U);
  EXPECT_TRUE(without.rules(*call).naming.empty());
}

// Whatever the rules: found by name or by place, the decision is the same.
TEST(Supervision, DecidesByPlaceWhatIsDecidedByName) {
  const Supervision made = supervision_of(R"({"version": 1, "syscalls": [
      {"names": ["ptrace"], "args": [{"index": 0, "value": 1, "op": "eq"}], "action": "log"},
      {"names": ["bpf"], "args": [{"index": 0, "value": 2, "op": "lt"}], "action": "errno"},
      {"names": ["bpf", "ptrace"], "action": "kill"}]})");
  for (const int number : {SYS_ptrace, SYS_bpf, SYS_getpid}) {
    for (std::uint64_t argument = 0; argument < 4; ++argument) {
      struct seccomp_data call {};
      call.args[0] = argument;
      const Syscall& syscall = *made.syscalls().find(kNativeAudit, number);
      const auto decision = made.decide_syscall(syscall, call);
      const auto by_name = policy::decide_syscall(made.policy(), syscall.name, {argument, 0, 0, 0, 0, 0});
      EXPECT_EQ(decision.verdict, by_name.verdict);
      EXPECT_EQ(decision.rule, by_name.rule);
      EXPECT_EQ(decision.errno_value, by_name.errno_value);
      EXPECT_EQ(decision.log, by_name.log);
    }
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor
