#include "oci/policy/compile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "oci/policy/baseline.h"
#include "oci/policy/decide.h"
#include "oci/policy/load.h"
#include "oci/policy/syscalls.h"
#include "oci/seccomp/bpf.h"
#include "oci/seccomp/filter_context.h"
#include "oci/seccomp/profile.h"

// What a compiled bundle does is asked of the filter itself: the rewritten profile, compiled as the runtimes
// compile it and run in the evaluator.

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using seccomp::ActionKind;
using seccomp::ProfileAction;
using testing::AllOf;
using testing::AnyOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Arguments = std::array<std::uint64_t, 6>;

const Listener kListener{"/run/tidewaiter/box/agent.sock", "meta", "/run/tidewaiter/box/hosts"};

constexpr ProfileAction kAllowed{ActionKind::kAllow, 0};
constexpr ProfileAction kAsked{ActionKind::kNotify, 0};
constexpr ProfileAction kKilled{ActionKind::kKillProcess, 0};
constexpr ProfileAction refused(int errno_value) {
  return {ActionKind::kErrno, static_cast<std::uint16_t>(errno_value)};
}

ordered_json bare_bundle() {
  return ordered_json::parse(R"({"ociVersion": "1.0.2", "process": {"args": ["sh"], "noNewPrivileges": true},
                                 "root": {"path": "rootfs"}, "linux": {"namespaces": []}})");
}

ordered_json bundle_with_mounts() {
  ordered_json config = bare_bundle();
  config["linux"]["namespaces"] = ordered_json::parse(R"([{"type": "pid"}, {"type": "mount"}])");
  config["mounts"] = ordered_json::parse(R"([{"destination": "/proc", "type": "proc", "source": "proc"}])");
  return config;
}

ordered_json bundle_with(const char* profile) {
  ordered_json config = bare_bundle();
  config["linux"]["seccomp"] = ordered_json::parse(profile);
  return config;
}

const runtime::Traits& crun() { return runtime::traits(runtime::Kind::kCrun); }

SyscallRule rule(std::vector<std::string> names, Action action, std::vector<ArgumentTest> args = {},
                 int errno_value = EPERM) {
  return {.pointer = "",
          .names = std::move(names),
          .args = std::move(args),
          .action = action,
          .errno_value = errno_value};
}

Policy policy_of(std::vector<SyscallRule> rules, bool log_denied = false) {
  Policy policy;
  policy.name = "test";
  policy.syscalls = std::move(rules);
  for (std::size_t i = 0; i < policy.syscalls.size(); ++i)
    policy.syscalls[i].pointer = "/syscalls/" + std::to_string(i);
  policy.events.denied = log_denied;
  return policy;
}

Policy with_network(Policy policy, bool connect, bool bind) {
  auto& network = policy.network.emplace();
  if (connect) network.allow.emplace();
  if (bind) network.bind.emplace();
  return policy;
}

Policy exec_policy(bool audit = false) {
  Policy policy;
  policy.name = "test";
  policy.mode = audit ? Mode::kAudit : Mode::kEnforce;
  policy.exec.emplace();
  policy.exec->allow = std::vector<ExecRule>{
      {.pointer = "/exec/allow/0", .path = "/bin/*", .argv = {}},
      {.pointer = "/exec/allow/1", .path = "/bin/git", .argv = {{"git", "clone"}}, .more_arguments = true}};
  policy.exec->deny = {{.pointer = "/exec/deny/0", .path = "/bin/nc", .argv = {}}};
  return policy;
}

ArgumentTest equals(unsigned index, std::uint64_t value) {
  return {.index = index, .comparison = Comparison::kEqual, .value = value};
}

Plan compiled(const Policy& policy, const ordered_json& config = bare_bundle(),
              const runtime::Traits& traits = crun()) {
  auto plan = compile(policy, config, traits, kListener, runtime::Surroundings::of_a_full_machine());
  if (!plan) throw std::runtime_error("compile: " + plan.error().message());
  return std::move(*plan);
}

std::string failure(const Policy& policy, const ordered_json& config = bare_bundle(),
                    const runtime::Traits& traits = crun(), const Listener& listener = kListener) {
  const auto plan = compile(policy, config, traits, listener, runtime::Surroundings::of_a_full_machine());
  return plan ? "compiled" : plan.error().message();
}

// The kernel's answers once a bundle's filter is loaded.
class Filter {
 public:
  explicit Filter(const ordered_json& config) {
    auto profile = seccomp::parse_profile(config.at("linux").at("seccomp"));
    if (!profile) throw std::runtime_error("profile: " + profile.error().message());
    auto program = seccomp::compile(*profile);
    if (!program) throw std::runtime_error("program: " + program.error().message());
    program_ = std::move(*program);
  }

  [[nodiscard]] ProfileAction answer(const std::string& name, const Arguments& args = {}) const {
    const auto number = seccomp::syscall_number(seccomp::native_architecture(), name);
    if (!number) throw std::runtime_error("no number: " + name);
    return answer_on(seccomp::native_architecture(), *number, args);
  }

  [[nodiscard]] ProfileAction answer_on(std::uint32_t architecture, int number, const Arguments& args) const {
    struct seccomp_data call {};
    call.nr = number;
    call.arch = architecture;
    std::copy(args.begin(), args.end(), std::begin(call.args));
    const auto value = seccomp::evaluate(program_, call);
    if (!value) throw std::runtime_error("evaluate: " + value.error().message());
    return seccomp::action_of(*value);
  }

 private:
  seccomp::BpfProgram program_;
};

auto rows_from(const Plan& plan, Origin origin) {
  return std::count_if(plan.rows.begin(), plan.rows.end(),
                       [origin](const PlanRow& row) { return row.origin == origin; });
}

std::vector<PlanRow> rows_of(const Plan& plan, std::string_view pointer) {
  std::vector<PlanRow> rows;
  for (const PlanRow& row : plan.rows) {
    if (row.pointer == pointer) rows.push_back(row);
  }
  return rows;
}

// --- the bundle -------------------------------------------------------------------------------------

TEST(Compile, LeavesABundleAloneWhenThePolicyDemandsNothing) {
  const ordered_json config = bundle_with(R"({"defaultAction": "SCMP_ACT_ERRNO"})");
  for (const Policy& policy :
       {Policy{}, policy_of({rule({"ptrace"}, Action::kAllow)}), with_network({}, false, false)}) {
    const Plan plan = compiled(policy, config);
    EXPECT_EQ(plan.config, config);
    EXPECT_FALSE(plan.supervised());
  }
}

TEST(Compile, RefusesABundleThatDoesNotGoWithAPolicy) {
  struct Case {
    const char* what;
    ordered_json config;
    runtime::Kind runtime;
    std::vector<std::string> words;  // none: it compiles
  };
  const auto annotated = [](const char* key) {
    ordered_json config = bare_bundle();
    config["annotations"][key] = "x";
    return config;
  };
  ordered_json windows = bare_bundle();
  windows.erase("linux");
  windows["windows"] = ordered_json::object();
  ordered_json no_platform = bare_bundle();
  no_platform.erase("linux");
  ordered_json odd_platform = bare_bundle();
  odd_platform["linux"] = "yes";

  using enum runtime::Kind;
  const Case cases[] = {
      {"plain", bare_bundle(), kCrun, {}},
      {"no platform at all is Linux", no_platform, kCrun, {}},
      {"Windows", windows, kCrun, {"/windows", "Linux"}},
      {"not an object", odd_platform, kCrun, {"/linux"}},
      {"own listener",
       bundle_with(R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/other.sock"})"),
       kCrun,
       {"/linux/seccomp/listenerPath", "/run/other.sock", "hook"}},
      {"empty listener",
       bundle_with(R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": ""})"),
       kCrun,
       {}},
      {"own notification",
       bundle_with(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
         {"names": ["read"], "action": "SCMP_ACT_ALLOW"}, {"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}]})"),
       kRunc,
       {"/linux/seccomp/syscalls/1/action", "SCMP_ACT_NOTIFY"}},
      {"notification by default",
       bundle_with(R"({"defaultAction": "SCMP_ACT_NOTIFY"})"),
       kCrun,
       {"/linux/seccomp/defaultAction"}},
      {"receiver", annotated("run.oci.seccomp.receiver"), kCrun, {"run.oci.seccomp.receiver", "crun"}},
      {"plugins", annotated("run.oci.seccomp.plugins"), kCrun, {"run.oci.seccomp.plugins"}},
      {"raw filter", annotated("run.oci.seccomp_bpf_data"), kCrun, {"run.oci.seccomp_bpf_data"}},
      {"unknown runtimes may read them",
       annotated("run.oci.seccomp.receiver"),
       kUnknown,
       {"run.oci.seccomp.receiver"}},
      {"runc does not", annotated("run.oci.seccomp.receiver"), kRunc, {}},
      {"another annotation", annotated("run.oci.keep_original_groups"), kCrun, {}},
      {"unreadable profile",
       bundle_with(R"({"defaultAction": "SCMP_ACT_MAYBE"})"),
       kCrun,
       {"/linux/seccomp", "SCMP_ACT_MAYBE"}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const std::string told =
        failure(policy_of({rule({"ptrace"}, Action::kErrno)}), one.config, runtime::traits(one.runtime));
    if (one.words.empty()) {
      EXPECT_EQ(told, "compiled");
    }
    for (const std::string& word : one.words) EXPECT_THAT(told, HasSubstr(word));
  }
}

TEST(Compile, RefusesASeccompFlagThatNoListenerGoesWith) {
  const ordered_json config = bundle_with(R"({"defaultAction": "SCMP_ACT_ALLOW",
      "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 7, "SECCOMP_FILTER_FLAG_TSYNC"]})");
  const Policy asking = policy_of({rule({"ptrace"}, Action::kErrno)}, true);
  using enum runtime::Kind;
  for (const auto kind : {kCrun, kUnknown}) {
    EXPECT_THAT(failure(asking, config, runtime::traits(kind)),
                AllOf(HasSubstr("/linux/seccomp/flags/2: SECCOMP_FILTER_FLAG_TSYNC does not go with"),
                      HasSubstr("EINVAL"), HasSubstr("expected a profile without it")));
  }
  // Under exec rules the bundle's first flag is taken out; the place is told as the bundle has it.
  Policy exec = exec_policy();
  ordered_json mounts = bundle_with_mounts();
  mounts["linux"]["seccomp"] = config["linux"]["seccomp"];
  EXPECT_THAT(failure(exec, mounts), HasSubstr("/linux/seccomp/flags/2: "));
  // What goes without a listener, or under another runtime, is the runtime's affair.
  const ordered_json& flags = config["linux"]["seccomp"]["flags"];
  const Policy silent = policy_of({rule({"ptrace"}, Action::kErrno)}, false);
  EXPECT_EQ(compiled(silent, config).config["linux"]["seccomp"]["flags"], flags);
  for (const auto kind : {kRunc, kYouki}) {
    EXPECT_EQ(compiled(asking, config, runtime::traits(kind)).config["linux"]["seccomp"]["flags"], flags);
  }
  const ordered_json odd =
      bundle_with(R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": "SECCOMP_FILTER_FLAG_TSYNC"})");
  EXPECT_EQ(compiled(asking, odd).config["linux"]["seccomp"]["flags"], odd["linux"]["seccomp"]["flags"]);
}

// crun takes a filter without flags for one with SPEC_ALLOW, and an empty list for none.
TEST(Compile, AddsNoSeccompFlags) {
  const Policy asking = policy_of({rule({"ptrace"}, Action::kErrno)}, true);
  EXPECT_FALSE(compiled(asking).config["linux"]["seccomp"].contains("flags"));
  EXPECT_FALSE(compiled(asking, bundle_with(R"({"defaultAction": "SCMP_ACT_ALLOW"})"))
                   .config["linux"]["seccomp"]
                   .contains("flags"));
  EXPECT_EQ(compiled(asking, bundle_with(R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": []})"))
                .config["linux"]["seccomp"]["flags"],
            ordered_json::array());
}

TEST(Compile, KeepsWhatItDoesNotKnow) {
  ordered_json config =
      bundle_with(R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"],
                                        "x-own": [18446744073709551615]})");
  config["x-other"] = {{"b", 1}, {"a", 2}};
  const Plan plan = compiled(policy_of({rule({"ptrace"}, Action::kErrno)}, true), config);
  const ordered_json& written = plan.config["linux"]["seccomp"];
  EXPECT_EQ(written["flags"], config["linux"]["seccomp"]["flags"]);
  EXPECT_EQ(written["x-own"], config["linux"]["seccomp"]["x-own"]);
  EXPECT_EQ(plan.config["x-other"].dump(), R"({"b":1,"a":2})");
  EXPECT_EQ(plan.config["process"], config["process"]);
}

TEST(Compile, NamesTheListenerOnlyWhenSomethingNotifies) {
  const Plan silent = compiled(policy_of({rule({"ptrace"}, Action::kErrno)}, false));
  EXPECT_FALSE(silent.supervised());
  EXPECT_FALSE(silent.config["linux"]["seccomp"].contains("listenerPath"));
  EXPECT_FALSE(silent.config["linux"]["seccomp"].contains("listenerMetadata"));

  const Plan asking = compiled(policy_of({rule({"ptrace"}, Action::kErrno)}, true));
  EXPECT_THAT(asking.notified, ElementsAre("ptrace"));
  EXPECT_EQ(asking.config["linux"]["seccomp"]["listenerPath"], kListener.path);
  EXPECT_EQ(asking.config["linux"]["seccomp"]["listenerMetadata"], kListener.metadata);
}

TEST(Compile, RefusesAListenerPathThatNoSocketCanHave) {
  const Policy asking = policy_of({rule({"ptrace"}, Action::kErrno)}, true);
  const auto told = [&](std::string path) {
    return failure(asking, bare_bundle(), crun(), {std::move(path), "", ""});
  };
  EXPECT_EQ(told("/" + std::string(106, 'x')), "compiled");
  EXPECT_THAT(told("/" + std::string(107, 'x')), HasSubstr("107 bytes"));
  EXPECT_THAT(told("agent.sock"), HasSubstr("absolute"));
  EXPECT_THAT(told("@abstract"), HasSubstr("absolute"));
}

// --- syscalls ---------------------------------------------------------------------------------------

TEST(Compile, RefusesInTheFilterWhatNobodyWantsLogged) {
  const Plan plan = compiled(
      policy_of({rule({"ptrace", "bpf"}, Action::kErrno, {}, EACCES), rule({"mount"}, Action::kKill)}));
  const Filter filter(plan.config);
  EXPECT_EQ(filter.answer("ptrace"), refused(EACCES));
  EXPECT_EQ(filter.answer("bpf"), refused(EACCES));
  EXPECT_EQ(filter.answer("mount"), kKilled);
  EXPECT_EQ(filter.answer("umount2"), kAllowed);
  ASSERT_EQ(rows_of(plan, "/syscalls/0").size(), 1U);
  EXPECT_EQ(rows_of(plan, "/syscalls/0")[0].mechanism, Mechanism::kFilter);
  EXPECT_EQ(rows_of(plan, "/syscalls/0")[0].cost, "none");
  EXPECT_EQ(rows_of(plan, "/syscalls/0")[0].what, "ptrace, bpf: fails with EACCES");
  EXPECT_EQ(rows_of(plan, "/syscalls/1")[0].what, "mount: kills the process");
}

TEST(Compile, AsksTheAgentForARefusalThatIsLogged) {
  const Plan plan =
      compiled(policy_of({rule({"ptrace"}, Action::kErrno), rule({"mount"}, Action::kKill)}, true));
  const Filter filter(plan.config);
  EXPECT_EQ(filter.answer("ptrace"), kAsked);
  EXPECT_EQ(filter.answer("mount"), kAsked);
  EXPECT_EQ(filter.answer("umount2"), kAllowed);
  EXPECT_EQ(rows_of(plan, "/syscalls/0")[0].mechanism, Mechanism::kAgent);
  EXPECT_EQ(rows_of(plan, "/syscalls/0")[0].cost, "one notification per refused call");
}

TEST(Compile, RefusesInTheFilterWhatMayNeverNotifyAndSaysThatItIsNotLogged) {
  const Plan plan = compiled(policy_of({rule({"ptrace", "clone3"}, Action::kErrno, {}, ENOSYS)}, true));
  const Filter filter(plan.config);
  EXPECT_EQ(filter.answer("clone3"), refused(ENOSYS));
  EXPECT_EQ(filter.answer("ptrace"), kAsked);
  const auto rows = rows_of(plan, "/syscalls/0");
  ASSERT_EQ(rows.size(), 2U);  // one rule, two mechanisms
  EXPECT_EQ(rows[0].what, "ptrace: fails with ENOSYS");
  EXPECT_EQ(rows[1].what, "clone3: fails with ENOSYS");
  EXPECT_EQ(rows[1].mechanism, Mechanism::kFilter);
  EXPECT_THAT(rows[1].note, AllOf(HasSubstr("cannot be logged"), HasSubstr("signal")));
}

TEST(Compile, LogsThroughTheAgentOrNotAtAll) {
  EXPECT_EQ(Filter(compiled(policy_of({rule({"write"}, Action::kLog)})).config).answer("write"), kAsked);
  EXPECT_THAT(failure(policy_of({rule({"write"}, Action::kLog)}), bare_bundle(),
                      runtime::traits(runtime::Kind::kRunc)),
              AllOf(HasSubstr("/syscalls/0"), HasSubstr("`write`"), HasSubstr("runc")));
  EXPECT_THAT(failure(policy_of({rule({"close"}, Action::kLog)})),
              AllOf(HasSubstr("/syscalls/0"), HasSubstr("`close`")));
}

TEST(Compile, RefusesAPolicyUnderWhichNothingStarts) {
  EXPECT_THAT(failure(policy_of({rule({"ptrace"}, Action::kErrno), rule({"execve"}, Action::kErrno)})),
              AllOf(HasSubstr("/syscalls/1"), HasSubstr("`execve`")));
  EXPECT_THAT(failure(policy_of({rule({"exit_group"}, Action::kKill)}, true)), HasSubstr("`exit_group`"));
  EXPECT_EQ(failure(policy_of({rule({"exit_group"}, Action::kKill, {equals(0, 7)})})), "compiled");
  Policy audit = policy_of({rule({"execve"}, Action::kErrno)}, true);
  audit.mode = Mode::kAudit;
  EXPECT_EQ(failure(audit), "compiled");
}

TEST(Compile, LetsTheFirstRuleThatMatchesAnswer) {
  const Plan plan =
      compiled(policy_of({rule({"socket"}, Action::kAllow, {equals(0, AF_UNIX)}),
                          rule({"socket"}, Action::kErrno, {equals(0, AF_PACKET)}, EACCES),
                          rule({"socket"}, Action::kErrno, {}, EPERM), rule({"socket"}, Action::kKill)}));
  const Filter filter(plan.config);
  EXPECT_EQ(filter.answer("socket", {AF_UNIX}), kAllowed);
  EXPECT_EQ(filter.answer("socket", {AF_PACKET}), refused(EACCES));
  EXPECT_EQ(filter.answer("socket", {AF_INET}), refused(EPERM));
  EXPECT_THAT(rows_of(plan, "/syscalls/3")[0].note, HasSubstr("never reached"));
  EXPECT_EQ(rows_of(plan, "/syscalls/1")[0].what, "socket when argument 0 is 17: fails with EACCES");
}

TEST(Compile, LetsTheBundlesOwnRefusalStand) {
  const ordered_json config = bundle_with(R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [{"names": ["read", "personality"], "action": "SCMP_ACT_ALLOW"}]})");
  const Plan plan = compiled(policy_of({rule({"ptrace"}, Action::kLog),
                                        rule({"personality"}, Action::kErrno, {equals(0, 8)}, EACCES)}),
                             config);
  const Filter filter(plan.config);
  EXPECT_EQ(filter.answer("ptrace"), refused(ENOSYS));
  EXPECT_EQ(filter.answer("personality", {8}), refused(EACCES));
  EXPECT_EQ(filter.answer("personality", {0}), kAllowed);
  EXPECT_EQ(filter.answer("read"), kAllowed);
  EXPECT_FALSE(plan.supervised());
  EXPECT_THAT(rows_of(plan, "/syscalls/0")[0].note, HasSubstr("bundle's own profile refuses"));
  EXPECT_EQ(rows_of(plan, "/syscalls/0")[0].cost, "none");
}

ordered_json early_bundle() {
  ordered_json early = bare_bundle();
  early["process"]["noNewPrivileges"] = false;
  return early;
}

TEST(Compile, AsksTheAgentForWhatTheRuntimeCallsWhileItStarts) {
  const Policy policy =
      policy_of({rule({"setuid", "ptrace"}, Action::kErrno), rule({"capset"}, Action::kKill),
                 rule({"prctl"}, Action::kErrno, {equals(0, 8)})});
  const Plan plan = compiled(policy, early_bundle());
  EXPECT_TRUE(plan.exempts_start);
  const Filter filter(plan.config);
  for (const char* name : {"setuid", "capset", "execve", "execveat"}) {
    EXPECT_EQ(filter.answer(name), kAsked) << name;
  }
  EXPECT_EQ(filter.answer("prctl", {8}), kAsked);
  EXPECT_EQ(filter.answer("prctl", {9}), kAllowed);
  EXPECT_EQ(filter.answer("ptrace"), refused(EPERM)) << "no runtime calls it";
  for (const char* pointer : {"/syscalls/0", "/syscalls/1", "/syscalls/2"}) {
    EXPECT_THAT(rows_of(plan, pointer)[0].note, HasSubstr("the runtime's own"));
  }

  EXPECT_EQ(rows_from(plan, Origin::kStart), 1);
  EXPECT_EQ(rows_from(plan, Origin::kBaseline), 0);

  const Plan late = compiled(policy);
  EXPECT_FALSE(late.exempts_start);
  EXPECT_EQ(rows_from(late, Origin::kStart), 0);
  EXPECT_FALSE(late.supervised());
  EXPECT_THAT(rows_of(late, "/syscalls/0")[0].note, IsEmpty());
}

TEST(Compile, AsksForNoExecveWhereNothingOfTheStartIsRefused) {
  const Plan plan = compiled(
      policy_of({rule({"ptrace"}, Action::kErrno), rule({"setuid"}, Action::kErrno, {equals(0, 1)})}));
  EXPECT_FALSE(plan.exempts_start);
  EXPECT_FALSE(plan.notified.contains("execve"));
  EXPECT_FALSE(plan.told_of_execs);
  const Plan logged = compiled(policy_of({rule({"setuid"}, Action::kLog)}), early_bundle());
  EXPECT_FALSE(logged.exempts_start);
}

TEST(Compile, KnowsWhetherTheAgentIsToldOfEveryExecve) {
  Policy exec;
  exec.exec.emplace().allow.emplace();
  const Plan told = compiled(exec, bundle_with_mounts());
  EXPECT_TRUE(told.told_of_execs);
  for (const char* name : {"execve", "execveat"}) EXPECT_EQ(Filter(told.config).answer(name), kAsked) << name;
  // An execve is not worth a notification for the sake of events alone.
  for (const Policy& policy :
       {policy_of({rule({"ptrace"}, Action::kLog)}), with_network(policy_of({}), true, false)}) {
    const Plan plan = compiled(policy);
    EXPECT_FALSE(plan.told_of_execs);
    EXPECT_EQ(Filter(plan.config).answer("execve"), kAllowed);
  }
}

TEST(Compile, DoesNotClaimToBeToldOfAnExecveThatTheBundleLetsRunItsOwnWay) {
  Policy policy;
  policy.exec.emplace().allow.emplace();
  std::set<bool> told;
  for (const char* action : {"SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"}) {
    SCOPED_TRACE(action);
    const std::string profile =
        R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["execve"], "action": ")" +
        std::string(action) + R"(", "args": [{"index": 2, "value": 7, "op": "SCMP_CMP_EQ"}]}]})";
    ordered_json config = bundle_with_mounts();
    config["linux"]["seccomp"] = ordered_json::parse(profile);
    const Plan plan = compiled(policy, config);
    told.insert(plan.told_of_execs);
    if (!plan.told_of_execs) continue;
    const Filter filter(plan.config);
    for (const Arguments& arguments : {Arguments{}, Arguments{0, 0, 7}}) {
      for (const char* name : {"execve", "execveat"}) {
        EXPECT_THAT(filter.answer(name, arguments).kind,
                    AnyOf(ActionKind::kNotify, ActionKind::kErrno, ActionKind::kKillProcess));
      }
    }
  }
  EXPECT_EQ(told, (std::set<bool>{false, true})) << "a test of one answer alone shows nothing";
}

TEST(Compile, SaysWhenARefusalMayHitTheRuntimeItself) {
  // No agent can be asked for write under runc, and nobody knows how an unknown runtime starts a program.
  const Policy policy = policy_of({rule({"write"}, Action::kErrno)});
  const Plan plan = compiled(policy, early_bundle(), runtime::traits(runtime::Kind::kRunc));
  EXPECT_FALSE(plan.exempts_start);
  EXPECT_THAT(rows_of(plan, "/syscalls/0")[0].note, HasSubstr("may not start"));
  const Plan unknown = compiled(policy_of({rule({"setuid"}, Action::kErrno)}), early_bundle(),
                                runtime::traits(runtime::Kind::kUnknown));
  EXPECT_FALSE(unknown.exempts_start);
  EXPECT_EQ(Filter(unknown.config).answer("setuid"), refused(EPERM));
  EXPECT_THAT(rows_of(unknown, "/syscalls/0")[0].note, HasSubstr("may not start"));
}

// --- audit ------------------------------------------------------------------------------------------

TEST(Compile, RefusesNothingInAuditMode) {
  Policy policy = with_network(policy_of({rule({"ptrace", "clone3"}, Action::kErrno)}, true), true, true);
  policy.mode = Mode::kAudit;
  const Plan plan = compiled(policy);
  const Filter filter(plan.config);
  EXPECT_EQ(filter.answer("ptrace"), kAsked);
  EXPECT_EQ(filter.answer("clone3"), kAllowed);
  EXPECT_EQ(filter.answer("connect"), kAsked);
  EXPECT_EQ(filter.answer("io_uring_setup"), kAllowed);
  EXPECT_EQ(filter.answer("sendto", {3, 0, 0, MSG_FASTOPEN}), kAllowed);
  const auto rows = rows_of(plan, "/syscalls/0");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_THAT(rows[1].note, HasSubstr("cannot be reported"));
  EXPECT_EQ(rows[1].mechanism, Mechanism::kNobody);

  policy.events.denied = false;
  EXPECT_EQ(Filter(compiled(policy).config).answer("ptrace"), kAllowed);
}

// --- network ----------------------------------------------------------------------------------------

TEST(Compile, AsksForConnectAndBindWhereTheyAreRestricted) {
  struct Case {
    bool connect;
    bool bind;
  };
  for (const auto [connect, bind] : {Case{true, false}, Case{false, true}, Case{true, true}}) {
    const Plan plan = compiled(with_network({}, connect, bind));
    const Filter filter(plan.config);
    EXPECT_EQ(filter.answer("connect", {3, 0x7fff0000, 16}), connect ? kAsked : kAllowed);
    EXPECT_EQ(filter.answer("bind", {3, 0x7fff0000, 16}), bind ? kAsked : kAllowed);
    // Everything else is the filter's: no socket(2) has to wait for an agent.
    EXPECT_EQ(plan.notified.size(), (connect ? 4U : 0U) + (bind ? 1U : 0U));
    EXPECT_THAT(plan.residual, IsEmpty());
    EXPECT_EQ(filter.answer("io_uring_setup"), refused(ENOSYS));
    EXPECT_EQ(filter.answer("sendto", {3, 0, 0, MSG_FASTOPEN}), connect ? refused(EOPNOTSUPP) : kAllowed);
    EXPECT_EQ(filter.answer("socket", {AF_INET, SOCK_SEQPACKET}), refused(EPROTONOSUPPORT));
    EXPECT_EQ(filter.answer("socket", {AF_INET, SOCK_PACKET | SOCK_CLOEXEC, 0x300}),
              refused(EPROTONOSUPPORT));
    EXPECT_EQ(filter.answer("socket", {AF_PACKET, SOCK_RAW}), refused(EAFNOSUPPORT));
    EXPECT_EQ(filter.answer("socketpair", {AF_TIPC, SOCK_RDM}), refused(EAFNOSUPPORT));
    EXPECT_EQ(filter.answer("socketpair", {AF_UNIX, SOCK_STREAM}), kAllowed);
    EXPECT_EQ(filter.answer("setsockopt", {3, IPPROTO_TCP, TCP_FASTOPEN_CONNECT}),
              connect ? refused(ENOPROTOOPT) : kAllowed);
    EXPECT_EQ(filter.answer("socket", {AF_INET, SOCK_STREAM}), kAllowed);
  }
}

// A call that means the same and is only named in the list has to notify as well.
TEST(Compile, AsksForEveryCallThatMeansARestrictedOperation) {
  const Policy policy = with_network({}, true, true);
  const Plan plan = compiled(policy);
  for (const SyscallEntry& entry : syscalls()) {
    EXPECT_EQ(plan.notified.contains(entry.name), supervises(policy, entry.operation)) << entry.name;
  }
}

TEST(Compile, LetsNoSecondAbiConnectUnseen) {
  const auto x86 = *seccomp::architecture_token("SCMP_ARCH_X86");
  const auto native = seccomp::native_architecture();
  if (native != AUDIT_ARCH_X86_64) GTEST_SKIP() << "second ABIs of x86-64";
  constexpr int kX32Connect = 0x40000000 + 42;
  const Arguments socketcall_connect = {3, 0};
  const int socketcall = *seccomp::syscall_number(x86, "socketcall");

  const Plan harmless = compiled(policy_of({rule({"mount"}, Action::kErrno)}));
  EXPECT_EQ(Filter(harmless.config).answer_on(x86, socketcall, socketcall_connect), kAllowed);
  EXPECT_EQ(Filter(harmless.config).answer_on(native, kX32Connect, {}), kAllowed);

  const Plan plan = compiled(with_network({}, true, false));
  const Filter filter(plan.config);
  EXPECT_FALSE(filter.answer_on(x86, socketcall, socketcall_connect).allows());
  EXPECT_FALSE(filter.answer_on(x86, 362 /* connect */, {}).allows());
  EXPECT_FALSE(filter.answer_on(native, kX32Connect, {}).allows());
  ASSERT_TRUE(plan.dropped_architectures.contains("SCMP_ARCH_X86"));
  ASSERT_TRUE(plan.dropped_architectures.contains("SCMP_ARCH_X32"));
  EXPECT_THAT(plan.dropped_architectures.at("SCMP_ARCH_X86"), HasSubstr("socketcall"));
  EXPECT_THAT(plan.dropped_architectures.at("SCMP_ARCH_X32"), HasSubstr("native ABI"));
}

TEST(Compile, AsksForEveryConnectWhenRulesOnItDependOnArguments) {
  const Plan plan =
      compiled(with_network(policy_of({rule({"connect"}, Action::kErrno, {equals(0, 5)})}), true, false));
  const Filter filter(plan.config);
  EXPECT_EQ(filter.answer("connect", {5}), kAsked);
  EXPECT_EQ(filter.answer("connect", {6}), kAsked);
  EXPECT_THAT(rows_of(plan, "/syscalls/0")[0].note, HasSubstr("the rules of /network"));
}

// All 64 bits of the pointer count, and the flags are looked at first.
TEST(Compile, AsksForSendsUnlessTheySayThatTheyHaveNoAddress) {
  const Plan plan = compiled(with_network({}, true, false));
  const Filter filter(plan.config);
  EXPECT_THAT(plan.residual, IsEmpty());
  EXPECT_EQ(filter.answer("sendto", {3, 0x1000, 5, MSG_NOSIGNAL, 0, 16}), kAllowed);
  for (const std::uint64_t pointer : {0x1ULL, 0x7fff0000ULL, 0x100000000ULL, 0x8000000000000000ULL, ~0ULL}) {
    EXPECT_EQ(filter.answer("sendto", {3, 0x1000, 5, 0, pointer, 16}), kAsked) << pointer;
    EXPECT_EQ(filter.answer("sendto", {3, 0x1000, 5, MSG_FASTOPEN, pointer, 16}), refused(EOPNOTSUPP));
  }
  EXPECT_EQ(filter.answer("sendto", {3, 0x1000, 5, MSG_FASTOPEN, 0, 0}), refused(EOPNOTSUPP));
  EXPECT_EQ(filter.answer("sendmsg", {3, 0x1000, 0}), kAsked);
  EXPECT_EQ(filter.answer("sendmsg", {3, 0x1000, MSG_FASTOPEN}), refused(EOPNOTSUPP));
  EXPECT_EQ(filter.answer("sendmmsg", {3, 0x1000, 1, 0}), kAsked);
  EXPECT_EQ(filter.answer("sendmmsg", {3, 0x1000, 1, MSG_FASTOPEN}), refused(EOPNOTSUPP));
}

TEST(Compile, KeepsWhatRulesSayOfSends) {
  const Plan plan = compiled(with_network(
      policy_of({rule({"sendto"}, Action::kErrno, {equals(0, 5)}), rule({"sendmsg"}, Action::kErrno)}), true,
      false));
  const Filter filter(plan.config);
  EXPECT_EQ(filter.answer("sendto", {5, 0, 0, 0, 0}), refused(EPERM));
  EXPECT_EQ(filter.answer("sendto", {5, 0, 0, 0, 0x1000}), refused(EPERM));
  EXPECT_EQ(filter.answer("sendto", {6, 0, 0, 0, 0x1000}), kAsked);
  EXPECT_EQ(filter.answer("sendto", {6, 0, 0, 0, 0}), kAllowed);
  EXPECT_EQ(filter.answer("sendmsg", {3, 0x1000, 0}), refused(EPERM));
}

// Its init would wait for ever: what stays open is told.
TEST(Compile, LeavesSendmsgOpenWhereTheRuntimeHandsTheListenerOverByIt) {
  for (const auto kind : {runtime::Kind::kYouki, runtime::Kind::kUnknown}) {
    const Plan plan = compiled(with_network({}, true, false), bare_bundle(), runtime::traits(kind));
    const Filter filter(plan.config);
    EXPECT_EQ(filter.answer("sendmsg", {3, 0x1000, 0}), kAllowed);
    EXPECT_EQ(filter.answer("sendmsg", {3, 0x1000, MSG_FASTOPEN}), refused(EOPNOTSUPP));
    EXPECT_EQ(filter.answer("sendto", {3, 0x1000, 5, 0, 0x1000}), kAsked);
    EXPECT_EQ(std::count_if(plan.rows.begin(), plan.rows.end(),
                            [](const PlanRow& row) {
                              return row.origin == Origin::kLeftOpen &&
                                     row.what == "what sendmsg sends to an address of its own";
                            }),
              1);
  }
}

TEST(Compile, LeavesAPlainRefusalOfConnectToTheFilter) {
  const SyscallRule all = rule({"connect", "sendto", "sendmsg", "sendmmsg"}, Action::kErrno, {}, EACCES);
  const Plan plan = compiled(with_network(policy_of({all}), true, false));
  EXPECT_EQ(Filter(plan.config).answer("connect"), refused(EACCES));
  EXPECT_FALSE(plan.supervised());
  EXPECT_THAT(rows_of(plan, "/network/allow")[0].note, HasSubstr("before this rule"));
}

TEST(Compile, KeepsTheBaselineShutUnderARuleThatAllows) {
  const Plan plan =
      compiled(with_network(policy_of({rule({"io_uring_setup", "sendto"}, Action::kAllow)}), true, false));
  EXPECT_EQ(Filter(plan.config).answer("io_uring_setup"), refused(ENOSYS));
  EXPECT_EQ(Filter(plan.config).answer("sendto", {3, 0, 0, MSG_FASTOPEN}), refused(EOPNOTSUPP));
}

NetworkRule rule_for(decltype(NetworkRule::host) host) {
  NetworkRule rule;
  rule.host = std::move(host);
  rule.ports = {PortRange{}};
  return rule;
}

TEST(Compile, BindsAHostsFileWhereNamesAreAllowed) {
  Policy policy = with_network({}, true, false);
  policy.network->allow = {rule_for(HostName{"b.example"}), rule_for(AnyHost{}),
                           rule_for(HostName{"a.example"}), rule_for(HostName{"b.example"})};
  for (const Mode mode : {Mode::kEnforce, Mode::kAudit}) {
    policy.mode = mode;
    const Plan plan = compiled(policy);
    ASSERT_TRUE(plan.hosts);
    EXPECT_EQ(*plan.hosts, (spec::HostsBase{"rootfs", "/etc/hosts"}));
    ASSERT_EQ(plan.config["mounts"].size(), 1U);
    EXPECT_EQ(plan.config["mounts"][0]["source"], kListener.hosts_file);
    const auto row = std::find_if(plan.rows.begin(), plan.rows.end(),
                                  [](const PlanRow& each) { return each.origin == Origin::kNames; });
    ASSERT_NE(row, plan.rows.end());
    EXPECT_EQ(row->what, "/etc/hosts, read-only, with a.example, b.example");
    EXPECT_EQ(row->mechanism, Mechanism::kRuntime);
  }
}

TEST(Compile, BindsNoHostsFileWithoutAllowedNames) {
  Policy addresses = with_network({}, true, false);
  addresses.network->allow = {rule_for(AnyHost{})};
  addresses.network->deny = {rule_for(HostName{"a.example"})};
  // Nobody would keep it.
  Policy unsupervised = with_network(
      policy_of({rule({"connect", "sendto", "sendmsg", "sendmmsg"}, Action::kErrno)}), true, false);
  unsupervised.network->allow = {rule_for(HostName{"a.example"})};
  for (const Policy& policy : {addresses, unsupervised}) {
    const Plan plan = compiled(policy);
    EXPECT_EQ(plan.supervised(), !policy.network->deny.empty());
    EXPECT_FALSE(plan.hosts);
    EXPECT_FALSE(plan.config.contains("mounts"));
    EXPECT_EQ(rows_from(plan, Origin::kNames), 0);
  }
}

TEST(Compile, SaysWhatEachNetworkRuleCostsAndWhatStaysOpen) {
  Policy policy = with_network({}, false, true);
  policy.network->deny.push_back(
      {.pointer = "/network/deny/0", .text = "169.254.169.254", .host = AnyHost{}, .ports = {{}}});
  policy.network->allow = {{.pointer = "/network/allow/0",
                            .text = "db.example:5432",
                            .host = HostName{"db.example"},
                            .ports = {{5432, 5432}}}};
  policy.network->bind = {{.pointer = "/network/bind/0", .text = "8080", .ports = {{8080, 8080}}}};
  const Plan plan = compiled(policy);
  const auto one = [&plan](std::string_view pointer) { return rows_of(plan, pointer).at(0); };
  EXPECT_EQ(one("/network/deny/0").what, "connect to 169.254.169.254: fails with EACCES");
  EXPECT_EQ(one("/network/allow/0").what, "connect to db.example:5432: allowed");
  EXPECT_THAT(one("/network/allow/0").note, HasSubstr("again when the answer's time"));
  EXPECT_EQ(one("/network/allow").what, "connect to anything else: fails with EACCES");
  EXPECT_EQ(one("/network/bind/0").cost, "one notification per bind");
  EXPECT_EQ(one("/network/bind").what, "bind to any other port: fails with EACCES");
  for (const char* pointer :
       {"/network/deny/0", "/network/allow/0", "/network/allow", "/network/bind/0", "/network/bind"}) {
    EXPECT_EQ(one(pointer).mechanism, Mechanism::kAgent) << pointer;
  }
  EXPECT_EQ(std::count_if(plan.rows.begin(), plan.rows.end(),
                          [](const PlanRow& row) { return row.what.starts_with("SCTP sockets"); }),
            1);
  EXPECT_EQ(one("/network/allow").cost,
            "one notification per connect, sendmmsg, sendmsg, sendto with an address");
  for (const PlanRow& row : plan.rows) {
    EXPECT_EQ(row.pointer.empty(), row.origin != Origin::kRule) << row.what;
    EXPECT_EQ(row.mechanism == Mechanism::kNobody, row.origin == Origin::kLeftOpen) << row.what;
    EXPECT_EQ(row.what.find("datagrams"), std::string::npos);
  }
}

// --- the baseline beside the profiles that containers have ------------------------------------------

ordered_json fixture(const std::string& name) {
  std::ifstream file(std::string(TIDEWAITER_FIXTURES) + "/" + name);
  return ordered_json::parse(file);
}

// As engines write it for a container with every capability: what the baseline refuses is allowed.
ordered_json generous_profile() {
  ordered_json profile = fixture("podman_seccomp.json");
  ordered_json names = ordered_json::array();
  for (const BaselineRow& row : baseline()) {
    for (const std::string_view name : row.syscalls) names.push_back(name);
  }
  for (ordered_json& one : profile["syscalls"]) {
    ordered_json rest = ordered_json::array();
    for (const ordered_json& name : one["names"]) {
      if (std::find(names.begin(), names.end(), name) == names.end()) rest.push_back(name);
    }
    if (rest.empty()) {
      one = {{"names", {"getpid"}}, {"action", "SCMP_ACT_ALLOW"}};
    } else {
      one["names"] = rest;
    }
  }
  profile["syscalls"].push_back({{"names", names}, {"action", "SCMP_ACT_ALLOW"}});
  return profile;
}

// Docker's conditions on top: no sockets of virtual machines, clone as podman has it.
ordered_json conditional_profile() {
  return ordered_json::parse(R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": [
    {"names": ["ptrace", "seccomp", "setsockopt", "sendto", "sendmsg", "sendmmsg", "socketpair", "pidfd_getfd",
      "process_vm_writev", "io_uring_setup", "io_uring_enter", "connect", "bind", "execve", "execveat"],
      "action": "SCMP_ACT_ALLOW"},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
    {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
      "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
    {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]})");
}

std::vector<std::pair<const char*, ordered_json>> usual_bundles() {
  const auto with = [](ordered_json profile) {
    ordered_json config = bundle_with_mounts();
    config["linux"]["seccomp"] = std::move(profile);
    return config;
  };
  return {{"no profile", with({{"defaultAction", "SCMP_ACT_ALLOW"}})},
          {"podman", with(fixture("podman_seccomp.json"))},
          {"runc", with(fixture("runc_seccomp.json"))},
          {"all capabilities", with(generous_profile())},
          {"conditions", with(conditional_profile())}};
}

Policy restricting(bool network, bool exec, std::vector<UnsafeAllow> unsafe_allow = {}) {
  Policy policy;
  if (network) policy = with_network({}, true, true);
  if (exec) policy.exec.emplace().allow.emplace();
  policy.unsafe_allow = std::move(unsafe_allow);
  return policy;
}

// Numbers that the rows' tests are about, alone and together with others.
std::uint64_t telling_argument(std::mt19937_64& random) {
  constexpr std::uint64_t kTelling[] = {0,          1,  2,   3,          5,        8,     10,     16,
                                        17,         40, 132, 0x20000000, 0x20000,  0x80,  0x4000, 0x100000,
                                        0x10000000, 6,  30,  0x80800,    0x80001,  0x11,  51,     0x2000000,
                                        0x4000000,  41, 57,  0x8000000,  0x3d0f00, 0x1000};
  std::uint64_t value = kTelling[random() % std::size(kTelling)];
  while (random() % 3 == 0) value |= kTelling[random() % std::size(kTelling)];
  return random() % 8 == 0 ? value | random() << 32 : value;
}

TEST(Compile, HoldsTheBaselineBesideEveryUsualProfile) {
  std::mt19937_64 random(20260203);
  std::set<std::string, std::less<>> refused_somewhere;
  for (const auto& [what, config] : usual_bundles()) {
    const Filter before(config);
    for (const auto& [network, exec] : {std::pair{true, false}, {false, true}, {true, true}}) {
      SCOPED_TRACE(what);
      const Policy policy = restricting(network, exec);
      const Plan plan = compiled(policy, config);
      // Of numbers beyond those that mean something the agent may be asked; not of what may not notify.
      EXPECT_THAT(plan.residual, Each(AnyOf("setsockopt", "socket")));
      const Filter filter(plan.config);
      const Policy full = complete(policy);
      for (const BaselineRow& row : baseline()) {
        if (row.where_known) continue;
        for (const std::string_view call : row.syscalls) {
          for (int i = 0; i < 200; ++i) {
            std::uint64_t raw[6];
            for (auto& one : raw) one = telling_argument(random);
            const Arguments args = std::to_array(raw);
            const ProfileAction own = before.answer(std::string(call), args);
            const Decision decision = decide_syscall(full, call, raw);
            const bool refuse = own.allows() && decision.verdict == Verdict::kDeny;
            const ProfileAction answer = filter.answer(std::string(call), args);
            if (answer == kAsked && (plan.residual.contains(call) || decision.verdict == Verdict::kAllow)) {
              EXPECT_TRUE(plan.notified.contains(call)) << call;
              continue;
            }
            ASSERT_EQ(answer, refuse ? refused(decision.errno_value) : own)
                << call << std::hex << " " << raw[0] << " " << raw[1] << " " << raw[2];
            if (refuse) refused_somewhere.emplace(call);
          }
        }
      }
    }
  }
  for (const BaselineRow& row : baseline()) {
    if (!row.for_connect && !row.for_bind && !row.for_exec) continue;
    for (const std::string_view call : row.syscalls)
      EXPECT_TRUE(row.where_known || refused_somewhere.contains(call)) << call;
  }
}

TEST(Compile, LetsProgramsForkAndThreadBesideTheBaseline) {
  for (const auto& [what, config] : usual_bundles()) {
    const Plan plan = compiled(restricting(true, true), config);
    const Filter filter(plan.config);
    for (const auto& [name, reason] : plan.dropped_architectures)
      EXPECT_THAT(reason, AnyOf(HasSubstr("socketcall"), HasSubstr("native ABI"))) << name;
    for (const std::uint64_t flags : {0x01200011U /* fork */, 0x003d0f00U /* pthread_create */,
                                      0x00004111U /* posix_spawn, vfork */, 0x00050f00U /* Go's threads */}) {
      EXPECT_EQ(filter.answer("clone", {flags}), kAllowed) << what << " " << flags;
    }
  }
}

TEST(Compile, GivesBackByNameAndSaysSo) {
  for (const std::string_view name : baseline_names()) {
    if (name == "snapshots") continue;  // of files: compile_deny_test.cc
    std::vector<UnsafeAllow> list = {{"/unsafe_allow/0", std::string(name)}};
    if (name == "clone3") list.push_back({"/unsafe_allow/1", "namespaces"});
    Policy policy = restricting(true, true, list);
    policy.limits.emplace().memory = 64U << 20U;
    ordered_json config = bundle_with_mounts();
    config.erase("root");  // which nobody has looked at here
    const Plan plan = compiled(policy, config);
    bool said = false;
    for (const PlanRow& row : plan.rows) {
      EXPECT_NE(row.name, name) << row.what;
      EXPECT_EQ(row.name.empty(), row.origin != Origin::kBaseline) << row.what;
      said = said || (row.origin == Origin::kLeftOpen && row.what.ends_with("given back by /unsafe_allow/0"));
    }
    EXPECT_TRUE(said) << name;
  }
  const Filter filter(
      compiled(restricting(true, true, {{"/unsafe_allow/0", "ptrace"}}), bundle_with_mounts()).config);
  EXPECT_EQ(filter.answer("ptrace"), kAllowed);
  EXPECT_EQ(filter.answer("process_vm_writev"), refused(EPERM));
}

TEST(Compile, ClosesProcfsWhereItLeadsRoundTheRules) {
  constexpr auto kOpen = Origin::kLeftOpen;
  constexpr auto kHeld = Origin::kBaseline;
  const ordered_json own = bundle_with_mounts();
  const auto with = [&own](const char* pointer, ordered_json value) {
    ordered_json config = own;
    config[ordered_json::json_pointer(pointer)] = std::move(value);
    return config;
  };
  const ordered_json shared = with("/linux/namespaces", {{{"type", "mount"}}});
  const ordered_json labelled = with("/process/apparmorProfile", "containers-default");
  const ordered_json no_proc = with("/mounts", ordered_json::array());
  Policy audited = restricting(false, true);
  audited.mode = Mode::kAudit;
  const Policy given = restricting(false, true, {{"/unsafe_allow/0", "process_vm_writev"}});
  const struct {
    const char* name;
    Policy policy;
    ordered_json config;
    std::optional<Origin> origin;  // of the one row about it
  } cases[] = {
      {"programs", restricting(false, true), own, kHeld},
      {"programs, processes of others", restricting(false, true), shared, kHeld},
      {"connections, its own processes", restricting(true, false), own, std::nullopt},
      {"connections, processes of others", restricting(true, false), shared, kHeld},
      {"nothing restricted", policy_of({rule({"bpf"}, Action::kErrno)}), shared, std::nullopt},
      {"no procfs", restricting(true, true), no_proc, std::nullopt},
      {"labels", restricting(true, true), labelled, kOpen},
      {"audit", audited, own, kOpen},
      {"given back with process_vm_writev", given, own, kOpen},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    const Plan plan = compiled(one.policy, one.config);
    std::vector<Origin> origins;
    for (const PlanRow& row : plan.rows) {
      if (!row.what.starts_with("writing to files of /proc")) continue;
      origins.push_back(row.origin);
      EXPECT_EQ(row.mechanism, row.origin == kHeld ? Mechanism::kRuntime : Mechanism::kNobody);
    }
    EXPECT_EQ(origins, one.origin ? std::vector{*one.origin} : std::vector<Origin>{});
    const bool held = one.origin == kHeld;
    EXPECT_EQ(plan.config["linux"].value("readonlyPaths", ordered_json::array()),
              held ? ordered_json::array({"/proc"}) : ordered_json::array());
  }
}

TEST(Compile, NamesAsOpenWhatThisLibseccompCannotRefuse) {
  const bool known = seccomp::syscall_number(seccomp::native_architecture(), "open_tree_attr").has_value();
  const auto count = [](const Plan& plan, Origin origin) {
    return std::count_if(plan.rows.begin(), plan.rows.end(), [origin](const PlanRow& row) {
      return row.origin == origin && row.what.starts_with("open_tree_attr");
    });
  };
  const Plan plan = compiled(restricting(false, true), bundle_with_mounts());
  EXPECT_EQ(count(plan, Origin::kBaseline), known ? 1 : 0);
  EXPECT_EQ(count(plan, Origin::kLeftOpen), known ? 0 : 1);
}

TEST(Compile, NeverRefusesTheRuntimeByTheBaseline) {
  ordered_json config = bundle_with_mounts();
  config["process"]["noNewPrivileges"] = false;
  const Plan plan = compiled(restricting(true, true), config);
  EXPECT_FALSE(plan.exempts_start);
  for (const BaselineRow& row : baseline()) {
    for (const std::string_view call : row.syscalls) {
      const SyscallEntry* entry = find_syscall(call);
      EXPECT_TRUE(entry == nullptr || !entry->made_while_starting) << call;
    }
  }
}

// --- what no filter can hold ------------------------------------------------------------------------

// A profile whose conditions on one call, together with a policy's, need more rules than a filter gets.
ordered_json bundle_with_many_conditions(const std::string& name) {
  ordered_json rules = ordered_json::array();
  for (int i = 0; i < 80; ++i) {
    rules.push_back({{"names", {name}},
                     {"action", "SCMP_ACT_ERRNO"},
                     {"errnoRet", 1 + i},
                     {"args", {{{"index", 0}, {"value", i * 2}, {"op", "SCMP_CMP_EQ"}}}}});
  }
  ordered_json config = bare_bundle();
  config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", rules}};
  return config;
}

TEST(Compile, JoinsUsualConditionsOnCallsThatMayNotNotify) {
  // As container engines restrict clone(2) by default, and as a policy may go on from there.
  const ordered_json config = bundle_with(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
    {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]})");
  constexpr std::uint64_t kVfork = 0x4000;
  constexpr std::uint64_t kNewUser = 0x10000000;
  const ArgumentTest vfork{
      .index = 0, .comparison = Comparison::kMaskedEqual, .value = kVfork, .mask = kVfork};
  for (const bool logged : {false, true}) {
    const Plan plan = compiled(policy_of({rule({"clone"}, Action::kErrno, {vfork}, ENOSYS)}, logged), config);
    const Filter filter(plan.config);
    EXPECT_EQ(filter.answer("clone", {kVfork}), refused(ENOSYS));
    EXPECT_EQ(filter.answer("clone", {17}), kAllowed);
    EXPECT_EQ(filter.answer("clone", {kNewUser | kVfork}), refused(EPERM));
    EXPECT_FALSE(plan.supervised());
  }
}

TEST(Compile, HandsTheAgentWhatNoFilterCanHold) {
  const Policy policy = policy_of({rule({"socket"}, Action::kErrno, {equals(1, 5)})});
  const Plan plan = compiled(policy, bundle_with_many_conditions("socket"));
  EXPECT_THAT(plan.residual, ElementsAre("socket"));
  EXPECT_EQ(Filter(plan.config).answer("socket", {1, 1}), kAsked);
  EXPECT_EQ(rows_of(plan, "/syscalls/0")[0].mechanism, Mechanism::kAgent);
  EXPECT_THAT(rows_of(plan, "/syscalls/0")[0].note, HasSubstr("weighs both"));
}

TEST(Compile, RefusesWhatNeitherFilterNorAgentCanHold) {
  const Policy policy = policy_of({rule({"clone"}, Action::kErrno, {equals(1, 5)})});
  EXPECT_THAT(failure(policy, bundle_with_many_conditions("clone")),
              AllOf(HasSubstr("`clone`"), HasSubstr("cannot be joined")));
}

// --- compiling and deciding say the same ------------------------------------------------------------

Policy random_policy(std::mt19937_64& random) {
  const auto below = [&random](std::uint64_t limit) { return random() % limit; };
  const std::vector<std::string> names = {"socket", "sendto", "io_uring_setup",
                                          "ptrace", "clone3", "personality"};
  std::vector<SyscallRule> rules;
  for (std::uint64_t count = below(6); count > 0; --count) {
    SyscallRule one = rule({names[below(names.size())]}, static_cast<Action>(below(4)), {},
                           static_cast<int>(1 + below(30)));
    if (one.action == Action::kLog && one.names[0] == "clone3") one.action = Action::kErrno;
    for (std::uint64_t tests = below(3); tests > 0; --tests) {
      ArgumentTest test{.index = static_cast<unsigned>(below(3)),
                        .comparison = static_cast<Comparison>(below(7)),
                        .value = below(6)};
      if (test.comparison == Comparison::kMaskedEqual) test.mask = below(8);
      one.args.push_back(test);
    }
    rules.push_back(std::move(one));
  }
  Policy policy = policy_of(std::move(rules), below(2) == 0);
  return below(2) == 0 ? policy : with_network(std::move(policy), true, below(2) == 0);
}

TEST(Compile, SaysWhatDecideSays) {
  std::mt19937_64 random(20260102);
  const std::vector<std::string> names = {"socket", "sendto", "io_uring_setup",
                                          "ptrace", "clone3", "personality"};
  std::size_t asked = 0;
  std::size_t refusals = 0;
  std::size_t impossible = 0;
  for (int round = 0; round < 300; ++round) {
    const Policy policy = random_policy(random);
    const auto result =
        compile(policy, bare_bundle(), crun(), kListener, runtime::Surroundings::of_a_full_machine());
    if (!result) {
      // Conditions that no filter holds, on a call that may not notify.
      ++impossible;
      EXPECT_THAT(result.error().message(), AllOf(HasSubstr("`clone3`"), HasSubstr("cannot be joined")));
      continue;
    }
    const Plan& plan = *result;
    if (!plan.config["linux"].contains("seccomp")) continue;
    const Filter filter(plan.config);
    const Policy full = complete(policy);
    for (int call = 0; call < 40; ++call) {
      const std::string& name = names[random() % names.size()];
      Arguments args{};
      for (auto& arg : args) arg = random() % 4 == 0 ? random() : random() % 7;
      if (random() % 4 == 0) args[3] |= MSG_FASTOPEN;
      std::uint64_t raw[6];
      std::copy(args.begin(), args.end(), raw);
      const Decision decision = decide_syscall(full, name, raw);
      const ProfileAction answer = filter.answer(name, args);
      SCOPED_TRACE(name + " round " + std::to_string(round));
      const bool has_address = policy.network && name == "sendto" && args[4] != 0;
      if (answer == kAsked) {
        ++asked;
        EXPECT_TRUE(decision.log || has_address || plan.residual.contains(name));
        EXPECT_TRUE(plan.notified.contains(name));
        continue;
      }
      if (decision.verdict == Verdict::kAllow) {
        EXPECT_EQ(answer, kAllowed);
        EXPECT_FALSE(decision.log || has_address);
      } else {
        ++refusals;
        EXPECT_EQ(answer, decision.verdict == Verdict::kKill ? kKilled : refused(decision.errno_value));
      }
    }
  }
  EXPECT_GT(asked, 500U);
  EXPECT_GT(refusals, 500U);
  EXPECT_LT(impossible, 30U);
}

// --- exec -------------------------------------------------------------------------------------------

TEST(Compile, AsksTheAgentForEveryExecve) {
  for (const bool audit : {false, true}) {
    const Plan plan = compiled(exec_policy(audit), bundle_with_mounts());
    const Filter filter(plan.config);
    for (const char* name : {"execve", "execveat"}) {
      EXPECT_EQ(filter.answer(name), kAsked) << name;
      EXPECT_TRUE(plan.notified.contains(name)) << name;
    }
    EXPECT_EQ(filter.answer("openat"), kAllowed);
    EXPECT_FALSE(plan.dropped_architectures.empty()) << "what another ABI asks for nobody could tell";
    EXPECT_EQ(rows_of(plan, "/exec/allow/1")[0].what, "run /bin/git as git clone **: allowed");
    EXPECT_EQ(rows_of(plan, "/exec/allow/0")[0].what, "run /bin/*: allowed");
    EXPECT_EQ(rows_of(plan, "/exec/deny/0")[0].what,
              std::string("run /bin/nc: ") + (audit ? "is reported (audit)" : "fails with EACCES"));
    EXPECT_EQ(rows_of(plan, "/exec/allow")[0].mechanism, Mechanism::kAgent);
    EXPECT_EQ(rows_of(plan, "/exec/allow")[0].cost, "one notification per execve, execveat");
  }
}

TEST(Compile, LetsACallerBeStopped) {
  ordered_json config = bundle_with_mounts();
  config["linux"]["seccomp"] = ordered_json::parse(R"({"defaultAction": "SCMP_ACT_ALLOW",
      "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]})");
  const auto flags = [](const Plan& plan) { return plan.config["linux"]["seccomp"]["flags"].dump(); };
  for (const Policy& policy : {exec_policy(), with_network({}, true, false), with_network({}, false, true)}) {
    const Plan plan = compiled(policy, config);
    EXPECT_EQ(flags(plan), R"(["SECCOMP_FILTER_FLAG_LOG"])");
    EXPECT_TRUE(std::any_of(plan.rows.begin(), plan.rows.end(), [](const PlanRow& row) {
      return row.what == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV leaves the bundle's flags";
    }));
  }
  const Plan plan = compiled(policy_of({rule({"ptrace"}, Action::kErrno)}, true), config);
  EXPECT_TRUE(plan.supervised());
  EXPECT_EQ(flags(plan), R"(["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])");
}

TEST(Compile, AsksForNoExecveThatNothingRestricts) {
  Policy policy = exec_policy();
  policy.exec->allow.reset();
  policy.exec->deny.clear();
  EXPECT_FALSE(compiled(policy).supervised());
}

TEST(Compile, LeavesARefusedExecveatRefused) {
  Policy policy = exec_policy();
  policy.events.denied = false;
  policy.syscalls = {rule({"execveat"}, Action::kErrno)};
  const Plan plan = compiled(policy, bundle_with_mounts());
  EXPECT_EQ(Filter(plan.config).answer("execveat"), refused(EPERM));
  EXPECT_EQ(Filter(plan.config).answer("execve"), kAsked);
}

TEST(Compile, NeedsAMountNamespaceForPaths) {
  ordered_json shared = bundle_with_mounts();
  shared["linux"]["namespaces"][1]["path"] = "/proc/1/ns/mnt";
  for (const ordered_json& config : {bare_bundle(), shared}) {
    EXPECT_THAT(failure(exec_policy(), config), HasSubstr("needs a mount namespace"));
  }
  EXPECT_EQ(failure(exec_policy(), bundle_with_mounts()), "compiled");
  EXPECT_EQ(failure(policy_of({}), bare_bundle()), "compiled");
  for (const char* rules : {R"({"allow": ["unix:/run/db/*"]})", R"({"deny": ["unix:/run/db/*"]})"}) {
    const auto policy =
        policy::parse(std::string(R"({"version": 1, "network": )") + rules + "}", "test", "test");
    ASSERT_TRUE(policy);
    EXPECT_THAT(failure(*policy, bare_bundle()), HasSubstr("unix: paths needs a mount namespace")) << rules;
    EXPECT_EQ(failure(*policy, bundle_with_mounts()), "compiled") << rules;
  }
  const auto abstract =
      policy::parse(R"({"version": 1, "network": {"allow": ["unix:@db"]}})", "test", "test");
  ASSERT_TRUE(abstract);
  EXPECT_EQ(failure(*abstract, bare_bundle()), "compiled");
}

}  // namespace
}  // namespace tidewaiter::policy
