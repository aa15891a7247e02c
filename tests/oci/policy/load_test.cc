#include "oci/policy/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "oci/policy/address.h"

// What a policy file means once it is read. What can be wrong with one is in mistakes_test.cc.

namespace tidewaiter::policy {

void PrintTo(const ArgumentTest& test, std::ostream* out) {
  *out << "argument " << test.index << ", comparison " << static_cast<int>(test.comparison) << ", value "
       << test.value << ", mask " << test.mask;
}

namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Policy policy_of(const std::string& members) {
  const auto policy = parse(R"({"version": 1)" + members + "}", "p.json", "p");
  if (policy) return *policy;
  ADD_FAILURE() << members << ": " << policy.error().front().message;
  return {};
}

TEST(ParsePolicy, RestrictsNothingByDefault) {
  const Policy policy = policy_of("");
  EXPECT_EQ(policy.name, "p");
  EXPECT_EQ(policy.mode, Mode::kEnforce);
  EXPECT_FALSE(policy.network);
  EXPECT_THAT(policy.syscalls, IsEmpty());
  EXPECT_TRUE(policy.events.denied && policy.events.exec && policy.events.network);
}

TEST(ParsePolicy, ReadsWhatIsGivenBack) {
  const Policy policy =
      policy_of(R"(, "unsafe_allow": ["io_uring", "port_range"], "network": {"bind": ["8080"]})");
  ASSERT_EQ(policy.unsafe_allow.size(), 2U);
  EXPECT_EQ(policy.unsafe_allow[0].name, "io_uring");
  EXPECT_EQ(policy.unsafe_allow[1].name, "port_range");
  EXPECT_EQ(policy.unsafe_allow[1].pointer, "/unsafe_allow/1");
  EXPECT_THAT(policy_of(R"(, "unsafe_allow": [])").unsafe_allow, IsEmpty());
}

TEST(ParsePolicy, ReadsLimits) {
  EXPECT_FALSE(policy_of("").limits);
  const Policy nothing = policy_of(R"(, "limits": {})");
  ASSERT_TRUE(nothing.limits);
  EXPECT_FALSE(nothing.limits->needs_cgroup());
  const Policy policy =
      policy_of(R"(, "limits": {"memory": "1.5G", "processes": 100, "cpus": 1.5, "open_files": 64})");
  EXPECT_EQ(policy.limits->memory, 1610612736);
  EXPECT_EQ(policy.limits->processes, 100);
  EXPECT_EQ(policy.limits->cpu_time, 150000);
  EXPECT_EQ(policy.limits->open_files, 64);
  EXPECT_TRUE(policy.limits->needs_cgroup());
  EXPECT_FALSE(policy_of(R"(, "limits": {"open_files": 64})").limits->needs_cgroup());
  EXPECT_EQ(policy_of(R"(, "limits": {"timeout": 90})").limits->timeout, std::chrono::seconds(90));
  EXPECT_EQ(policy_of(R"(, "limits": {"timeout": "1h30m"})").limits->timeout, std::chrono::seconds(5400));
  EXPECT_FALSE(policy_of(R"(, "limits": {"timeout": "1h30m"})").limits->needs_cgroup());

  const struct {
    const char* cpus;
    std::uint64_t microseconds;
  } cases[] = {{"1", 100000},   {"0.01", 1000},      {"0.29", 29000},
               {"2.5", 250000}, {"8192", 819200000}, {"1e0", 100000}};
  for (const auto& row : cases) {
    const Policy each = policy_of(R"(, "limits": {"cpus": )" + std::string(row.cpus) + "}");
    EXPECT_EQ(each.limits->cpu_time, row.microseconds) << row.cpus;
  }
}

TEST(ParsePolicy, ReadsTheIdentity) {
  EXPECT_FALSE(policy_of("").identity);
  EXPECT_EQ(policy_of(R"(, "identity": {})").identity, Identity{});
  const Policy policy = policy_of(R"(, "identity": {"hostname": "Build-7",
      "hosts": {"DB.example.com.": "10.0.0.5", "api": ["2001:db8::1", "10.0.0.6"]},
      "env": {"clean": true, "pass": ["PATH", "LC_*"], "set": {"B": "", "A": "x=y"}},
      "user": {"uid": 0, "gid": 4294967294, "additional_gids": [10]}})");
  ASSERT_TRUE(policy.identity);
  const Identity& identity = *policy.identity;
  EXPECT_EQ(identity.hostname, "Build-7");
  ASSERT_EQ(identity.hosts.size(), 2U);
  EXPECT_EQ(identity.hosts[0].name, "db.example.com");
  EXPECT_EQ(identity.hosts[0].pointer, "/identity/hosts/DB.example.com.");
  EXPECT_EQ(identity.hosts[1].addresses,
            (std::vector<IpAddress>{*parse_address("2001:db8::1"), *parse_address("10.0.0.6")}));
  EXPECT_TRUE(identity.env->clean);
  EXPECT_EQ(identity.env->pass, (std::vector<std::string>{"PATH", "LC_*"}));
  EXPECT_EQ(identity.env->set, (std::vector<std::pair<std::string, std::string>>{{"B", ""}, {"A", "x=y"}}));
  EXPECT_EQ(identity.user, (UserPolicy{0, 4294967294, {10}}));
  EXPECT_FALSE(policy.limits);
}

// A cgroup holds them, and so they are among what it limits.
TEST(ParsePolicy, ReadsProcessorsAsALimit) {
  const Policy count = policy_of(R"(, "identity": {"cpus": 2})");
  ASSERT_TRUE(count.limits);
  EXPECT_EQ(count.limits->processors, (Processors{2, {}}));
  EXPECT_TRUE(count.limits->needs_cgroup());
  EXPECT_EQ(policy_of(R"(, "identity": {"cpus": "0-2,7"})").limits->processors,
            (Processors{0, {0, 1, 2, 7}}));
  for (const char* both : {R"(, "limits": {"memory": "64M"}, "identity": {"cpus": 1})",
                           R"(, "identity": {"cpus": 1}, "limits": {"memory": "64M"})"}) {
    const Policy policy = policy_of(both);
    EXPECT_EQ(policy.limits->memory, 67108864) << both;
    EXPECT_EQ(policy.limits->processors, (Processors{1, {}})) << both;
  }
}

TEST(ParsePolicy, TellsAbsentListsFromEmptyOnes) {
  const struct {
    const char* network;
    bool connect;
    bool bind;
  } cases[] = {{"{}", false, false},
               {R"({"errno": "EPERM"})", false, false},
               {R"({"allow": []})", true, false},
               {R"({"deny": []})", false, false},
               {R"({"deny": ["*"]})", true, false},
               {R"({"bind": []})", false, true},
               {R"({"allow": ["*"], "bind": ["*"]})", true, true}};
  for (const auto& row : cases) {
    const Policy policy = policy_of(std::string(R"(, "network": )") + row.network);
    ASSERT_TRUE(policy.network) << row.network;
    EXPECT_EQ(policy.network->restricts_connect(), row.connect) << row.network;
    EXPECT_EQ(policy.network->restricts_bind(), row.bind) << row.network;
  }
}

TEST(ParsePolicy, GivesEveryRuleItsPointer) {
  const Policy policy = policy_of(R"(, "network": {"allow": ["a", "b"], "deny": ["c"], "bind": ["1", "2"]},
      "syscalls": [{"names": ["bpf"], "action": "errno"}, {"names": ["ptrace"], "action": "kill"}])");
  EXPECT_EQ((*policy.network->allow)[1].pointer, "/network/allow/1");
  EXPECT_EQ((*policy.network->allow)[1].text, "b");
  EXPECT_EQ(policy.network->deny[0].pointer, "/network/deny/0");
  EXPECT_EQ((*policy.network->bind)[1].pointer, "/network/bind/1");
  EXPECT_EQ(policy.syscalls[1].pointer, "/syscalls/1");
}

TEST(ParsePolicy, ReadsModeAndEvents) {
  EXPECT_EQ(policy_of(R"(, "mode": "audit")").mode, Mode::kAudit);
  EXPECT_EQ(policy_of(R"(, "mode": "enforce")").mode, Mode::kEnforce);
  const EventsPolicy none = policy_of(R"(, "events": {"log": []})").events;
  EXPECT_FALSE(none.denied || none.exec || none.network);
  const EventsPolicy some = policy_of(R"(, "events": {"log": ["network", "denied"]})").events;
  EXPECT_TRUE(some.denied && some.network);
  EXPECT_FALSE(some.exec);
}

TEST(ParsePolicy, ReadsErrors) {
  const struct {
    const char* text;
    int number;
  } cases[] = {{R"("EPERM")", 1},       {R"("EACCES")", 13},      {R"("ENOSYS")", 38},
               {R"("EHWPOISON")", 133}, {R"("EWOULDBLOCK")", 11}, {R"("EDEADLOCK")", 35},
               {R"("ENOTSUP")", 95},    {R"("EOPNOTSUPP")", 95},  {"1", 1},
               {"4095", 4095}};
  for (const auto& row : cases) {
    EXPECT_EQ(policy_of(std::string(R"(, "network": {"errno": )") + row.text + "}").network->errno_value,
              row.number);
    EXPECT_EQ(policy_of(std::string(R"(, "syscalls": [{"names": ["bpf"], "action": "errno", "errno": )") +
                        row.text + "}]")
                  .syscalls[0]
                  .errno_value,
              row.number)
        << row.text;
  }
  EXPECT_EQ(policy_of(R"(, "network": {})").network->errno_value, EACCES);
  EXPECT_EQ(policy_of(R"(, "syscalls": [{"names": ["bpf"], "action": "errno"}])").syscalls[0].errno_value,
            EPERM);
}

TEST(ParsePolicy, ReadsActions) {
  const Policy policy = policy_of(R"(, "syscalls": [
      {"names": ["bpf"], "action": "errno"}, {"names": ["bpf"], "action": "allow"},
      {"names": ["bpf"], "action": "log"}, {"names": ["bpf", "mmap"], "action": "kill"}])");
  ASSERT_EQ(policy.syscalls.size(), 4U);
  EXPECT_EQ(policy.syscalls[0].action, Action::kErrno);
  EXPECT_EQ(policy.syscalls[1].action, Action::kAllow);
  EXPECT_EQ(policy.syscalls[2].action, Action::kLog);
  EXPECT_EQ(policy.syscalls[3].action, Action::kKill);
  EXPECT_THAT(policy.syscalls[3].names, ElementsAre("bpf", "mmap"));
}

ArgumentTest only_test(const std::string& name, const std::string& test) {
  const Policy policy = policy_of(R"(, "syscalls": [{"names": [")" + name +
                                  R"("], "action": "errno", "args": [)" + test + "]}]");
  if (policy.syscalls.size() == 1 && policy.syscalls[0].args.size() == 1) return policy.syscalls[0].args[0];
  ADD_FAILURE() << test;
  return {};
}

TEST(ParsePolicy, ReadsComparisons) {
  const struct {
    const char* op;
    Comparison comparison;
  } cases[] = {{"eq", Comparison::kEqual},   {"ne", Comparison::kNotEqual},
               {"lt", Comparison::kLess},    {"le", Comparison::kLessOrEqual},
               {"gt", Comparison::kGreater}, {"ge", Comparison::kGreaterOrEqual}};
  for (const auto& row : cases) {
    const auto test = only_test("mmap", std::string(R"({"index": 1, "value": 5, "op": ")") + row.op + "\"}");
    EXPECT_EQ(test, (ArgumentTest{.index = 1, .comparison = row.comparison, .value = 5})) << row.op;
  }
  EXPECT_EQ(only_test("mmap", R"({"index": 5, "op": "masked_eq", "mask": 7, "value": 5})"),
            (ArgumentTest{.index = 5, .comparison = Comparison::kMaskedEqual, .value = 5, .mask = 7}));
}

TEST(ParsePolicy, ReadsValues) {
  const struct {
    const char* text;
    std::uint64_t value;
  } cases[] = {{"0", 0},
               {"18446744073709551615", 0xffffffffffffffff},
               {"-1", 0xffffffffffffffff},
               {"-9223372036854775808", 0x8000000000000000},
               {R"("0xff")", 255},
               {R"("0xFFFFFFFFFFFFFFFF")", 0xffffffffffffffff},
               {R"("0x0")", 0},
               {R"("AF_PACKET")", 17},
               {R"("AF_UNIX")", 1},
               {R"("SOCK_RAW")", 3},
               {R"("SOCK_CLOEXEC")", 0x80000},
               {R"("CLONE_NEWUSER")", 0x10000000},
               {R"("CLONE_NEWNS")", 0x20000},
               {R"("PR_SET_DUMPABLE")", 4},
               {R"("PR_SET_MM")", 35},
               {R"("PROT_EXEC")", 4}};
  for (const auto& row : cases) {
    const auto test =
        only_test("mmap", std::string(R"({"index": 0, "op": "eq", "value": )") + row.text + "}");
    EXPECT_EQ(test.value, row.value) << row.text;
  }
}

// Where the kernel takes a 32-bit number, only the lower half is compared.
TEST(ParsePolicy, ComparesNarrowArgumentsByTheirLowerHalf) {
  const struct {
    const char* name;
    const char* test;
    ArgumentTest expected;
  } cases[] = {
      {"socket",
       R"({"index": 0, "op": "eq", "value": 17})",
       {.index = 0, .comparison = Comparison::kEqual, .value = 17, .mask = 0xffffffff}},
      {"kill",
       R"({"index": 0, "op": "eq", "value": -1})",
       {.index = 0, .comparison = Comparison::kEqual, .value = 0xffffffff, .mask = 0xffffffff}},
      {"kill",
       R"({"index": 0, "op": "eq", "value": -2147483648})",
       {.index = 0, .comparison = Comparison::kEqual, .value = 0x80000000, .mask = 0xffffffff}},
      {"ioctl",
       R"({"index": 1, "op": "eq", "value": "0x5412"})",
       {.index = 1, .comparison = Comparison::kEqual, .value = 0x5412, .mask = 0xffffffff}},
      {"socket",
       R"({"index": 1, "op": "masked_eq", "mask": "0xffffffffffffff0f", "value": 3})",
       {.index = 1, .comparison = Comparison::kMaskedEqual, .value = 3, .mask = 0xffffff0f}},
      // 32 bits because its machines have no more.
      {"socketcall",
       R"({"index": 3, "op": "eq", "value": 1})",
       {.index = 3, .comparison = Comparison::kEqual, .value = 1, .mask = 0xffffffff}},
      // Whole registers.
      {"msgrcv",
       R"({"index": 3, "op": "eq", "value": 1})",
       {.index = 3, .comparison = Comparison::kEqual, .value = 1}},
      // 16 bits.
      {"mknod",
       R"({"index": 1, "op": "eq", "value": "0x61b6"})",
       {.index = 1, .comparison = Comparison::kEqual, .value = 0x61b6, .mask = 0xffff}},
      {"mkdir",
       R"({"index": 1, "op": "eq", "value": -1})",
       {.index = 1, .comparison = Comparison::kEqual, .value = 0xffff, .mask = 0xffff}},
      {"openat",
       R"({"index": 3, "op": "masked_eq", "mask": -8, "value": 8})",
       {.index = 3, .comparison = Comparison::kMaskedEqual, .value = 8, .mask = 0xfff8}},
      // As the author says.
      {"ioctl",
       R"({"index": 2, "op": "masked_eq", "mask": "0xffffffff", "value": 1})",
       {.index = 2, .comparison = Comparison::kMaskedEqual, .value = 1, .mask = 0xffffffff}},
      {"prctl",
       R"({"index": 1, "op": "masked_eq", "mask": "0xffffffffffffffff", "value": 1})",
       {.index = 1, .comparison = Comparison::kMaskedEqual, .value = 1, .mask = 0xffffffffffffffff}},
      {"mmap",
       R"({"index": 0, "op": "eq", "value": -1})",
       {.index = 0, .comparison = Comparison::kEqual, .value = 0xffffffffffffffff}},
      {"socket",
       R"({"index": 0, "op": "ne", "value": 17})",
       {.index = 0, .comparison = Comparison::kNotEqual, .value = 17, .mask = 0xffffffff}},
      {"socket",
       R"({"index": 0, "op": "lt", "value": 17})",
       {.index = 0, .comparison = Comparison::kLess, .value = 17, .mask = 0xffffffff}},
      {"mmap",
       R"({"index": 1, "op": "gt", "value": 4096})",
       {.index = 1, .comparison = Comparison::kGreater, .value = 4096}},
  };
  for (const auto& row : cases)
    EXPECT_EQ(only_test(row.name, row.test), row.expected) << row.name << row.test;
}

TEST(ParsePolicy, LetsConditionalRulesRefuseWhatNoRuleMayRefuseWhole) {
  const Policy policy = policy_of(R"(, "syscalls": [{"names": ["execve"], "action": "errno",
      "args": [{"index": 1, "op": "eq", "value": 0}]}, {"names": ["execve", "close"], "action": "allow"}])");
  EXPECT_EQ(policy.syscalls.size(), 2U);
}

class LoadPolicy : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tidewaiter-policy-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }

  fs::path folder_;
};

TEST(ParsePolicy, ReadsExecRules) {
  const Policy policy = policy_of(R"(, "exec": {
      "allow": ["/usr/bin/python3", {"path": "/usr/bin/git", "argv": ["git", "clone", "*"]},
                {"path": "/bin/*", "argv": ["**"]}],
      "deny": [{"path": "**", "argv": ["nc", "**"]}], "errno": "ENOENT"})");
  ASSERT_TRUE(policy.exec && policy.exec->allow);
  const ExecPolicy& exec = *policy.exec;
  EXPECT_TRUE(exec.restricts());
  EXPECT_EQ(exec.errno_value, ENOENT);
  const auto& allow = *exec.allow;
  ASSERT_EQ(allow.size(), 3U);
  EXPECT_EQ(allow[0].pointer, "/exec/allow/0");
  EXPECT_EQ(allow[0].path, "/usr/bin/python3");
  EXPECT_FALSE(allow[0].argv);
  EXPECT_EQ(allow[1].argv, (std::vector<std::string>{"git", "clone", "*"}));
  EXPECT_FALSE(allow[1].more_arguments);
  EXPECT_EQ(allow[2].argv, std::vector<std::string>{});
  EXPECT_TRUE(allow[2].more_arguments);
  ASSERT_EQ(exec.deny.size(), 1U);
  EXPECT_EQ(exec.deny[0].pointer, "/exec/deny/0");
  EXPECT_EQ(exec.deny[0].argv, std::vector<std::string>{"nc"});

  EXPECT_FALSE(policy_of("").exec);
  EXPECT_FALSE(policy_of(R"(, "exec": {})").exec->restricts());
  EXPECT_TRUE(policy_of(R"(, "exec": {"allow": []})").exec->restricts());
  EXPECT_TRUE(policy_of(R"(, "exec": {"deny": ["/bin/nc"]})").exec->restricts());
  EXPECT_EQ(policy_of(R"(, "exec": {})").exec->errno_value, EACCES);
}

TEST(ParsePolicy, ReadsFiles) {
  const auto policy = parse(
      R"({"version": 1, "files": {"read": ["/usr", "/"], "write": [], "deny": ["/usr/lib"], "best_effort": true}})",
      "p.json", "p");
  ASSERT_TRUE(policy);
  ASSERT_TRUE(policy->files);
  EXPECT_TRUE(policy->files->restricts());
  ASSERT_TRUE(policy->files->read);
  ASSERT_EQ(policy->files->read->size(), 2U);
  EXPECT_EQ(policy->files->read->at(1).path, "/");
  EXPECT_EQ(policy->files->read->at(1).pointer, "/files/read/1");
  EXPECT_TRUE(policy->files->write && policy->files->write->empty());
  EXPECT_FALSE(policy->files->exec);
  ASSERT_EQ(policy->files->deny.size(), 1U);
  EXPECT_EQ(policy->files->deny[0].path, "/usr/lib");
  EXPECT_TRUE(policy->files->best_effort);
  EXPECT_FALSE(parse(R"({"version": 1, "files": {}})", "p.json", "p")->files->restricts());
}

// By default nothing is lost, and nothing is changed.
TEST(Load, ReadsFoldersThatAreCopied) {
  const auto policy = parse(
      R"({"version": 1, "files": {"copy_on_write": ["/work", {"path": "/out", "on_success": "commit", "on_failure": "discard"}]}})",
      "p.json", "p");
  ASSERT_TRUE(policy) << policy.error().front().message;
  const FilesPolicy& files = *policy->files;
  EXPECT_FALSE(files.restricts());
  ASSERT_EQ(files.copy_on_write.size(), 2U);
  EXPECT_EQ(files.copy_on_write[0],
            (CopyRule{"/files/copy_on_write/0", "/work", Settlement::kKeep, Settlement::kKeep}));
  EXPECT_EQ(files.copy_on_write[1],
            (CopyRule{"/files/copy_on_write/1", "/out", Settlement::kCommit, Settlement::kDiscard}));
}

TEST_F(LoadPolicy, NamesThePolicyAfterItsFile) {
  EXPECT_EQ(load(write("web.json", R"({"version": 1})"))->name, "web");
  EXPECT_EQ(load(write("web.v2.json", R"({"version": 1})"))->name, "web.v2");
  EXPECT_EQ(load(write("plain", R"({"version": 1})"))->name, "plain");
}

TEST_F(LoadPolicy, HandsOutTheTextThatWasChecked) {
  const std::string text = "{\"version\": 1}\n";
  EXPECT_EQ(load_file(write("web.json", text))->text, text);
}

TEST_F(LoadPolicy, ReportsOneMistakeAndHowManyMoreInOneLine) {
  const std::string path =
      write("p.json", R"({"version": 1, "syscalls": [{"names": ["ptrace"], "action": "emulate"}]})");
  EXPECT_EQ(load(path).error().message(),
            path +
                ": /syscalls/0/action: \"emulate\" is not supported yet; expected \"errno\", \"allow\", "
                "\"log\" or \"kill\"");
  write("p.json", R"({"version": 2, "mode": 1, "events": 1})");
  EXPECT_EQ(
      load(path).error().message(),
      path +
          ": /version: expected 1, the only version of the policy language there is, found 2 (and 2 more; "
          "see tidewaiter policy check)");
  write("p.json", "{");
  EXPECT_THAT(load(path).error().message(), ::testing::StartsWith(path + ": line 1, column 2: "));
}

TEST_F(LoadPolicy, SaysWhyAFileCannotBeRead) {
  const std::string path = (folder_ / "absent.json").string();
  const auto absent = load(path);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ENOENT);
  EXPECT_THAT(absent.error().message(), ::testing::HasSubstr(path));
  EXPECT_EQ(load(folder_.string()).error().code, EISDIR);
}

TEST_F(LoadPolicy, BoundsTheFile) {
  const auto policy = load(write("large.json", R"({"version": 1})" + std::string(16U << 20U, ' ')));
  ASSERT_FALSE(policy);
  EXPECT_EQ(policy.error().code, EFBIG);
}

}  // namespace
}  // namespace tidewaiter::policy
