#include "oci/policy/decide.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "oci/policy/address.h"
#include "oci/policy/load.h"

namespace tidewaiter::policy {
namespace {

Policy policy_of(const std::string& members) {
  const auto policy = parse(R"({"version": 1, )" + members + "}", "p.json", "p");
  if (policy) return *policy;
  ADD_FAILURE() << members << ": " << policy.error().front().message;
  return {};
}

Endpoint endpoint(const std::string& address, std::uint16_t port, Transport transport = Transport::kTcp) {
  const auto parsed = parse_address(address);
  EXPECT_TRUE(parsed) << address;
  return {.transport = transport, .address = parsed.value_or(IpAddress{}), .port = port};
}

const ResolvedHosts kHosts = {
    {"api.example.com", {*parse_address("198.51.100.7"), *parse_address("2001:db8::7")}},
    {"empty.example.com", {}},
};

struct ConnectCase {
  const char* address;
  std::uint16_t port;
  Verdict verdict;
  const char* rule;
  Transport transport = Transport::kTcp;
};

void expect_connects(const Policy& policy, const std::vector<ConnectCase>& cases) {
  for (const ConnectCase& row : cases) {
    const Decision decision = decide_connect(policy, kHosts, endpoint(row.address, row.port, row.transport));
    EXPECT_EQ(decision.verdict, row.verdict) << row.address << " " << row.port;
    EXPECT_EQ(decision.rule, row.rule) << row.address << " " << row.port;
    EXPECT_EQ(decision.errno_value, row.verdict == Verdict::kAllow ? 0 : EACCES) << row.address;
  }
}

constexpr Verdict kAllow = Verdict::kAllow;
constexpr Verdict kDeny = Verdict::kDeny;
constexpr Verdict kKill = Verdict::kKill;

TEST(DecideConnect, AllowsWhatARuleNamesAndRefusesTheRest) {
  const Policy policy = policy_of(R"("network": {"allow": [
      "api.example.com:443", "tcp://10.0.0.0/8:5432", "udp://1.1.1.1:53", "[2001:db8::/32]:80,8000-8010", "192.0.2.1"]})");
  expect_connects(policy, {
                              {"198.51.100.7", 443, kAllow, "/network/allow/0"},
                              {"2001:db8::7", 443, kAllow, "/network/allow/0"},
                              {"198.51.100.7", 443, kAllow, "/network/allow/0", Transport::kUdp},
                              {"198.51.100.7", 80, kDeny, "/network/allow"},
                              {"198.51.100.8", 443, kDeny, "/network/allow"},
                              {"10.0.0.0", 5432, kAllow, "/network/allow/1"},
                              {"10.255.255.255", 5432, kAllow, "/network/allow/1"},
                              {"11.0.0.0", 5432, kDeny, "/network/allow"},
                              {"10.0.0.1", 5432, kDeny, "/network/allow", Transport::kUdp},
                              {"10.0.0.1", 5433, kDeny, "/network/allow"},
                              {"1.1.1.1", 53, kAllow, "/network/allow/2", Transport::kUdp},
                              {"1.1.1.1", 53, kDeny, "/network/allow"},
                              {"2001:db8::1", 80, kAllow, "/network/allow/3"},
                              {"2001:db8::1", 8010, kAllow, "/network/allow/3"},
                              {"2001:db8::1", 8011, kDeny, "/network/allow"},
                              {"2001:db9::1", 80, kDeny, "/network/allow"},
                              {"192.0.2.1", 1, kAllow, "/network/allow/4"},
                              {"192.0.2.1", 65535, kAllow, "/network/allow/4", Transport::kUdp},
                          });
}

TEST(DecideConnect, LetsDenyBeatAllow) {
  const Policy policy = policy_of(
      R"("network": {"allow": ["*", "10.0.0.1"], "deny": ["169.254.169.254", "tcp://10.0.0.0/8:22"]})");
  expect_connects(policy, {
                              {"169.254.169.254", 80, kDeny, "/network/deny/0"},
                              {"169.254.169.253", 80, kAllow, "/network/allow/0"},
                              {"10.0.0.1", 22, kDeny, "/network/deny/1"},
                              {"10.0.0.1", 22, kAllow, "/network/allow/0", Transport::kUdp},
                              {"10.0.0.1", 23, kAllow, "/network/allow/0"},
                          });
}

TEST(DecideConnect, AllowsIcmpByItsOwnRulesOnly) {
  const Policy policy = policy_of(R"("network": {"allow": [
      "*", "icmp://10.0.0.0/8", "icmp://api.example.com", "icmp://2001:db8::1"], "deny": ["10.0.0.2", "icmp://10.0.0.3"]})");
  constexpr Transport kIcmp = Transport::kIcmp;
  expect_connects(policy, {
                              {"10.0.0.1", 0, kAllow, "/network/allow/1", kIcmp},
                              {"10.0.0.1", 65535, kAllow, "/network/allow/1", kIcmp},
                              {"11.0.0.1", 0, kDeny, "/network/allow", kIcmp},
                              {"198.51.100.7", 0, kAllow, "/network/allow/2", kIcmp},
                              {"2001:db8::7", 0, kAllow, "/network/allow/2", kIcmp},
                              {"2001:db8::1", 0, kAllow, "/network/allow/3", kIcmp},
                              // What is denied to TCP and UDP is not to ICMP, nor the other way round.
                              {"10.0.0.2", 0, kAllow, "/network/allow/1", kIcmp},
                              {"10.0.0.3", 0, kDeny, "/network/deny/1", kIcmp},
                              {"10.0.0.3", 1, kAllow, "/network/allow/0"},
                              {"11.0.0.1", 1, kAllow, "/network/allow/0", Transport::kUdp},
                          });
  expect_connects(policy_of(R"("network": {"allow": ["icmp://10.0.0.1"]})"),
                  {
                      {"10.0.0.1", 0, kAllow, "/network/allow/0", kIcmp},
                      {"10.0.0.1", 1, kDeny, "/network/allow"},
                      {"10.0.0.1", 1, kDeny, "/network/allow", Transport::kUdp},
                  });
}

TEST(DecideConnect, AllowsEverythingElseWithoutAnAllowList) {
  expect_connects(policy_of(R"("network": {"deny": ["10.0.0.0/8"]})"),
                  {
                      {"10.1.1.1", 1, kDeny, "/network/deny/0"},
                      {"11.1.1.1", 1, kAllow, ""},
                      {"::1", 1, kAllow, ""},
                      {"11.1.1.1", 0, kAllow, "", Transport::kIcmp},
                  });
}

TEST(DecideConnect, RefusesEverythingByAnEmptyAllowList) {
  expect_connects(policy_of(R"("network": {"allow": []})"),
                  {{"127.0.0.1", 80, kDeny, "/network/allow"}, {"::1", 80, kDeny, "/network/allow"}});
}

TEST(DecideConnect, TakesUnspecifiedAddressesForThisHost) {
  const Policy policy = policy_of(R"("network": {"allow": ["*"], "deny": ["127.0.0.0/8:22", "[::1]:22"]})");
  expect_connects(policy, {
                              {"0.0.0.0", 22, kDeny, "/network/deny/0"},
                              {"::", 22, kDeny, "/network/deny/1"},
                              {"::ffff:0.0.0.0", 22, kDeny, "/network/deny/0"},
                              {"0.0.0.0", 23, kAllow, "/network/allow/0"},
                          });
  expect_connects(policy_of(R"("network": {"allow": ["127.0.0.1"]})"),
                  {{"0.0.0.0", 22, kAllow, "/network/allow/0"}, {"::", 22, kDeny, "/network/allow"}});
}

TEST(DecideConnect, TakesMappedAddressesForIpv4) {
  const Policy policy = policy_of(R"("network": {"deny": ["169.254.169.254"]})");
  Endpoint mapped = endpoint("::1", 80);
  mapped.address.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 169, 254, 169, 254};
  EXPECT_EQ(decide_connect(policy, kHosts, mapped).verdict, kDeny);
  mapped.address.bytes[15] = 253;
  EXPECT_EQ(decide_connect(policy, kHosts, mapped).verdict, kAllow);
}

TEST(DecideConnect, KeepsIpv4AndIpv6Apart) {
  expect_connects(policy_of(R"("network": {"allow": ["0.0.0.0/0"]})"),
                  {{"10.0.0.1", 1, kAllow, "/network/allow/0"}, {"2001:db8::1", 1, kDeny, "/network/allow"}});
  expect_connects(policy_of(R"("network": {"allow": ["::/0"]})"),
                  {{"10.0.0.1", 1, kDeny, "/network/allow"}, {"2001:db8::1", 1, kAllow, "/network/allow/0"}});
}

TEST(DecideConnect, MatchesNoAddressByANameThatDidNotResolve) {
  expect_connects(policy_of(R"("network": {"allow": ["empty.example.com", "unknown.example.com"]})"),
                  {{"198.51.100.7", 443, kDeny, "/network/allow"}});
}

TEST(DecideConnect, NamesTheFirstRuleThatMatches) {
  expect_connects(policy_of(R"("network": {"allow": ["10.0.0.0/8:80", "10.0.0.1", "10.0.0.0/24"]})"),
                  {
                      {"10.0.0.1", 80, kAllow, "/network/allow/0"},
                      {"10.0.0.1", 81, kAllow, "/network/allow/1"},
                      {"10.0.0.2", 81, kAllow, "/network/allow/2"},
                  });
}

TEST(DecideConnect, FailsWithTheErrnoOfThePolicy) {
  const Policy policy = policy_of(R"("network": {"allow": [], "errno": "ECONNREFUSED"})");
  EXPECT_EQ(decide_connect(policy, kHosts, endpoint("10.0.0.1", 1)).errno_value, ECONNREFUSED);
}

TEST(DecideConnect, DecidesTheSameInAuditMode) {
  const Policy policy = policy_of(R"("network": {"allow": []}, "mode": "audit")");
  EXPECT_EQ(decide_connect(policy, kHosts, endpoint("10.0.0.1", 1)).verdict, kDeny);
}

TEST(DecideConnect, WantsTheEventsThatThePolicyAsksFor) {
  const struct {
    const char* log;
    bool denied;
    bool allowed;
  } cases[] = {{R"([])", false, false},
               {R"(["denied"])", true, false},
               {R"(["network"])", false, true},
               {R"(["exec"])", false, false},
               {R"(["denied", "exec", "network"])", true, true}};
  for (const auto& row : cases) {
    const Policy policy =
        policy_of(R"("network": {"allow": ["10.0.0.1"], "bind": ["80"]}, "events": {"log": )" +
                  std::string(row.log) + "}");
    EXPECT_EQ(decide_connect(policy, kHosts, endpoint("10.0.0.1", 1)).log, row.allowed) << row.log;
    EXPECT_EQ(decide_connect(policy, kHosts, endpoint("10.0.0.2", 1)).log, row.denied) << row.log;
    EXPECT_EQ(decide_bind(policy, endpoint("10.0.0.1", 80)).log, row.allowed) << row.log;
    EXPECT_EQ(decide_bind(policy, endpoint("10.0.0.1", 81)).log, row.denied) << row.log;
  }
}

TEST(DecideBind, AllowsThePortsOfTheList) {
  const struct {
    const char* bind;
    std::uint16_t port;
    Verdict verdict;
    const char* rule;
  } cases[] = {
      {R"("8080", "9000-9005")", 8080, kAllow, "/network/bind/0"},
      {R"("8080", "9000-9005")", 9000, kAllow, "/network/bind/1"},
      {R"("8080", "9000-9005")", 9005, kAllow, "/network/bind/1"},
      {R"("8080", "9000-9005")", 9006, kDeny, "/network/bind"},
      {R"("8080", "9000-9005")", 8999, kDeny, "/network/bind"},
      {R"("1-65535")", 0, kDeny, "/network/bind"},
      {R"("80", "0")", 0, kAllow, "/network/bind/1"},
      {R"("0-1023")", 0, kAllow, "/network/bind/0"},
      {R"("*")", 0, kAllow, "/network/bind/0"},
      {"", 80, kDeny, "/network/bind"},
  };
  for (const auto& row : cases) {
    const Policy policy = policy_of(R"("network": {"bind": [)" + std::string(row.bind) + "]}");
    for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
      const Decision decision = decide_bind(policy, endpoint("127.0.0.1", row.port, transport));
      EXPECT_EQ(decision.verdict, row.verdict) << row.bind << " " << row.port;
      EXPECT_EQ(decision.rule, row.rule) << row.bind << " " << row.port;
    }
  }
  const Decision unrestricted =
      decide_bind(policy_of(R"("network": {"allow": []})"), endpoint("127.0.0.1", 80));
  EXPECT_EQ(unrestricted.verdict, kAllow);
  EXPECT_EQ(unrestricted.rule, "");
}

TEST(Holds, ComparesWholeRegistersAsUnsignedNumbers) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  const struct {
    Comparison comparison;
    std::uint64_t value;
    std::uint64_t below;  // the three arguments that are tried: a smaller, the same, a greater one
    std::uint64_t above;
    bool holds_below;
    bool holds_equal;
    bool holds_above;
  } cases[] = {
      {Comparison::kEqual, 5, 4, 6, false, true, false},
      {Comparison::kNotEqual, 5, 4, 6, true, false, true},
      {Comparison::kLess, 5, 4, 6, true, false, false},
      {Comparison::kLessOrEqual, 5, 4, 6, true, true, false},
      {Comparison::kGreater, 5, 4, 6, false, false, true},
      {Comparison::kGreaterOrEqual, 5, 4, 6, false, true, true},
      // Around 2^32 and 2^63, where signed or halved comparisons go wrong.
      {Comparison::kEqual, 1, 0, 0x100000001, false, true, false},
      {Comparison::kLess, 0x8000000000000000, 1, kMax, true, false, false},
      {Comparison::kGreater, 0xffffffff, 0, 0x100000000, false, false, true},
      {Comparison::kGreaterOrEqual, 0x100000000, 0xffffffff, kMax, false, true, true},
  };
  for (const auto& row : cases) {
    const ArgumentTest test{.index = 0, .comparison = row.comparison, .value = row.value};
    EXPECT_EQ(holds(test, row.below), row.holds_below) << row.value;
    EXPECT_EQ(holds(test, row.value), row.holds_equal) << row.value;
    EXPECT_EQ(holds(test, row.above), row.holds_above) << row.value;
  }
  const ArgumentTest masked{.index = 0, .comparison = Comparison::kMaskedEqual, .value = 2, .mask = 6};
  for (std::uint64_t argument = 0; argument < 64; ++argument)
    EXPECT_EQ(holds(masked, argument), (argument & 6U) == 2) << argument;
}

TEST(DecideSyscall, TakesTheFirstRuleThatMatches) {
  const Policy policy = policy_of(R"("syscalls": [
      {"names": ["ptrace", "bpf"], "action": "errno", "errno": "ENOSYS"},
      {"names": ["mmap"], "action": "allow", "args": [{"index": 2, "op": "masked_eq", "mask": 6, "value": 0}]},
      {"names": ["mmap"], "action": "kill", "args": [
          {"index": 2, "op": "masked_eq", "mask": 6, "value": 6}, {"index": 1, "op": "gt", "value": 4096}]},
      {"names": ["mmap"], "action": "log"},
      {"names": ["bpf"], "action": "allow"}])");
  const struct {
    const char* name;
    std::uint64_t args[6];
    Verdict verdict;
    int errno_value;
    const char* rule;
    bool log;
  } cases[] = {
      {"ptrace", {}, kDeny, ENOSYS, "/syscalls/0", true},
      {"bpf", {1, 2, 3, 4, 5, 6}, kDeny, ENOSYS, "/syscalls/0", true},
      {"mmap", {0, 8192, 1}, kAllow, 0, "/syscalls/1", false},
      {"mmap", {0, 8192, 7}, kKill, 0, "/syscalls/2", true},
      {"mmap", {0, 4096, 7}, kAllow, 0, "/syscalls/3", true},
      {"mmap", {0, 8192, 3}, kAllow, 0, "/syscalls/3", true},
      {"read", {}, kAllow, 0, "", false},
      {"", {}, kAllow, 0, "", false},
  };
  for (const auto& row : cases) {
    const Decision decision = decide_syscall(policy, row.name, row.args);
    EXPECT_EQ(decision.verdict, row.verdict) << row.name << " " << row.args[2];
    EXPECT_EQ(decision.errno_value, row.errno_value) << row.name;
    EXPECT_EQ(decision.rule, row.rule) << row.name << " " << row.args[2];
    EXPECT_EQ(decision.log, row.log) << row.name << " " << row.args[2];
  }
}

TEST(DecideSyscall, LogsRefusalsOnlyWhenAskedAndLogRulesAlways) {
  const Policy policy = policy_of(R"("events": {"log": []}, "syscalls": [
      {"names": ["bpf"], "action": "errno"}, {"names": ["ptrace"], "action": "kill"},
      {"names": ["mmap"], "action": "log"}])");
  const std::uint64_t args[6] = {};
  EXPECT_FALSE(decide_syscall(policy, "bpf", args).log);
  EXPECT_FALSE(decide_syscall(policy, "ptrace", args).log);
  EXPECT_TRUE(decide_syscall(policy, "mmap", args).log);
  EXPECT_EQ(decide_syscall(policy, "bpf", args).errno_value, EPERM);
}

// The kernel reads a socket's family from the lower half of the register.
TEST(DecideSyscall, IsNotGotRoundByTheUpperHalfOfARegister) {
  const Policy policy = policy_of(R"("syscalls": [{"names": ["socket"], "action": "errno",
      "args": [{"index": 0, "op": "eq", "value": "AF_PACKET"}]}])");
  const std::uint64_t plain[6] = {17, 3, 0};
  const std::uint64_t disguised[6] = {17 | std::uint64_t{1} << 32U, 3, 0};
  const std::uint64_t other[6] = {16, 3, 0};
  EXPECT_EQ(decide_syscall(policy, "socket", plain).verdict, kDeny);
  EXPECT_EQ(decide_syscall(policy, "socket", disguised).verdict, kDeny);
  EXPECT_EQ(decide_syscall(policy, "socket", other).verdict, kAllow);
}

// One after the other, or by the value that most of them test: the same rule decides.
TEST(DecideSyscall, ByValueDecidesTheSame) {
  std::mt19937_64 random(20);
  const auto below = [&](std::uint64_t limit) { return random() % limit; };
  constexpr Comparison kComparisons[] = {Comparison::kEqual, Comparison::kMaskedEqual, Comparison::kNotEqual,
                                         Comparison::kLess};
  std::size_t by_value_used = 0;
  std::size_t matched = 0;
  for (int round = 0; round < 500; ++round) {
    Policy policy;
    std::vector<std::uint32_t> naming;
    for (std::uint32_t place = 0; place < 60; ++place) {
      SyscallRule rule;
      rule.pointer = "/syscalls/" + std::to_string(place);
      rule.names = {"bpf"};
      for (std::uint64_t tests = below(3); tests > 0; --tests) {
        // Mostly the first argument's value.
        const bool often = below(4) != 0;
        rule.args.push_back({.index = often ? 0U : static_cast<unsigned>(below(2)),
                             .comparison = often ? Comparison::kEqual : kComparisons[below(4)],
                             .value = below(40),
                             .mask = below(8) == 0 ? 0xffff : ~std::uint64_t{0}});
      }
      // Else one of the first would match everything.
      if (rule.args.empty() && place < 40) rule.args.push_back({.value = below(40)});
      policy.syscalls.push_back(std::move(rule));
      if (below(8) != 0) naming.push_back(place);
    }
    const auto by_value = RulesByValue::make(policy.syscalls, naming);
    if (by_value) ++by_value_used;
    for (std::uint64_t value = 0; value < 45; ++value) {
      const std::uint64_t args[6] = {value, below(40)};
      const Decision one_by_one = decide_syscall(policy, CallRules{naming}, args);
      const Decision found = decide_syscall(policy, CallRules{naming, by_value ? &*by_value : nullptr}, args);
      EXPECT_EQ(found.rule, one_by_one.rule);
      EXPECT_EQ(found.verdict, one_by_one.verdict);
      if (!found.rule.empty()) ++matched;
    }
  }
  EXPECT_GT(by_value_used, 400U);
  EXPECT_GT(matched, 5000U);
}

// --- exec -------------------------------------------------------------------------------------------

struct ExecCase {
  std::vector<Execution> programs;
  Verdict verdict;
  const char* rule;
};

void expect_executions(const Policy& policy, const std::vector<ExecCase>& cases) {
  for (const ExecCase& row : cases) {
    const Decision decision = decide_exec(policy, row.programs);
    const std::string_view path = row.programs.empty() ? "nothing" : row.programs[0].path;
    EXPECT_EQ(decision.verdict, row.verdict) << path;
    EXPECT_EQ(decision.rule, row.rule) << path;
    EXPECT_EQ(decision.errno_value, row.verdict == kAllow ? 0 : EACCES) << path;
  }
}

TEST(DecideExec, AllowsWhatARuleNamesAndRefusesTheRest) {
  const Policy policy = policy_of(R"("exec": {"allow": ["/usr/bin/python3", "/opt/*/bin/*", "/srv/**",
      {"path": "/usr/bin/git", "argv": ["git", "clone", "https://*"]},
      {"path": "/bin/sh", "argv": ["sh", "-c", "**"]}]})");
  expect_executions(policy,
                    {
                        {{{"/usr/bin/python3", {"python3", "-c", "x"}}}, kAllow, "/exec/allow/0"},
                        {{{"/usr/bin/python3", {}}}, kAllow, "/exec/allow/0"},
                        {{{"/usr/bin/python3 (deleted)", {"python3"}}}, kDeny, "/exec/allow"},
                        {{{"/usr/bin/python", {"python3"}}}, kDeny, "/exec/allow"},
                        {{{"/jail/usr/bin/python3", {"python3"}}}, kDeny, "/exec/allow"},
                        {{{"/opt/x/bin/y", {"y"}}}, kAllow, "/exec/allow/1"},
                        {{{"/opt/x/y/bin/z", {"z"}}}, kDeny, "/exec/allow"},
                        {{{"/srv/a/b/c", {"c"}}}, kAllow, "/exec/allow/2"},
                        {{{"/srv", {"c"}}}, kDeny, "/exec/allow"},
                        {{{"/usr/bin/git", {"git", "clone", "https://x/y"}}}, kAllow, "/exec/allow/3"},
                        {{{"/usr/bin/git", {"git", "clone"}}}, kDeny, "/exec/allow"},
                        {{{"/usr/bin/git", {"git", "clone", "https://x", "y"}}}, kDeny, "/exec/allow"},
                        {{{"/usr/bin/git", {"git", "clone", "http://x"}}}, kDeny, "/exec/allow"},
                        {{{"/usr/bin/git", {"x", "clone", "https://x"}}}, kDeny, "/exec/allow"},
                        {{{"/bin/sh", {"sh", "-c"}}}, kAllow, "/exec/allow/4"},
                        {{{"/bin/sh", {"sh", "-c", "x", "y"}}}, kAllow, "/exec/allow/4"},
                        {{{"/bin/sh", {"sh"}}}, kDeny, "/exec/allow"},
                        {{}, kDeny, "/exec/allow"},
                    });
  expect_executions(policy_of(R"("exec": {"allow": []})"), {{{{"/bin/sh", {"sh"}}}, kDeny, "/exec/allow"}});
}

TEST(DecideExec, AsksForEveryInterpreter) {
  const Policy policy = policy_of(R"("exec": {"allow": ["/usr/bin/pip",
      {"path": "/usr/bin/python3", "argv": ["/usr/bin/python3", "/usr/bin/pip", "**"]}]})");
  const Execution pip{"/usr/bin/pip", {"pip", "list"}};
  expect_executions(
      policy,
      {
          {{pip, {"/usr/bin/python3", {"/usr/bin/python3", "/usr/bin/pip", "list"}}},
           kAllow,
           "/exec/allow/0"},
          {{pip, {"/usr/bin/python3", {"/usr/bin/python3", "/tmp/pip", "list"}}}, kDeny, "/exec/allow"},
          {{pip, {"/usr/bin/perl", {"/usr/bin/perl", "/usr/bin/pip", "list"}}}, kDeny, "/exec/allow"},
          {{{"/usr/bin/python3", {"/usr/bin/python3", "x"}}}, kDeny, "/exec/allow"},
      });
}

TEST(DecideExec, DenyBeatsAllow) {
  const Policy policy = policy_of(R"("exec": {"allow": ["/bin/*"], "deny": ["/bin/nc",
      {"path": "/bin/sh", "argv": ["*", "-i"]}]})");
  expect_executions(policy,
                    {
                        {{{"/bin/ls", {"ls"}}}, kAllow, "/exec/allow/0"},
                        {{{"/bin/nc", {"nc"}}}, kDeny, "/exec/deny/0"},
                        {{{"/bin/sh", {"anything", "-i"}}}, kDeny, "/exec/deny/1"},
                        {{{"/bin/sh", {"sh", "-c"}}}, kAllow, "/exec/allow/0"},
                        {{{"/bin/x", {"x"}}, {"/bin/nc", {"/bin/nc", "/bin/x"}}}, kDeny, "/exec/deny/0"},
                    });
  expect_executions(policy_of(R"("exec": {"deny": ["/bin/nc"]})"),
                    {
                        {{{"/bin/ls", {"ls"}}}, kAllow, ""},
                        {{{"/bin/nc", {"nc"}}}, kDeny, "/exec/deny/0"},
                    });
}

TEST(DecideExec, TakesItsErrnoAndItsEventsFromThePolicy) {
  const Policy policy =
      policy_of(R"("exec": {"allow": ["/bin/ls"], "errno": "ENOENT"}, "events": {"log": ["exec"]})");
  const Decision denied = decide_exec(policy, std::vector<Execution>{{"/bin/sh", {}}});
  EXPECT_EQ(denied.errno_value, ENOENT);
  EXPECT_FALSE(denied.log);
  EXPECT_TRUE(decide_exec(policy, std::vector<Execution>{{"/bin/ls", {}}}).log);
}

}  // namespace
}  // namespace tidewaiter::policy
