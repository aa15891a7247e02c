#include "oci/policy/compile_files.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "oci/policy/explain.h"
#include "oci/policy/load.h"
#include "oci/runtime/runtime_traits.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kInit = "/usr/bin/tidewaiter-init";
constexpr const char* kAll =
    R"({"version": 1, "files": {"read": ["/usr"], "write": ["/tmp", "/work"], "exec": ["/usr/bin"]}})";

Listener listener_with(int landlock) {
  return {"/run/tidewaiter/box/agent.sock", "box", "/run/tidewaiter/box/hosts", kInit, landlock};
}

ordered_json bundle() {
  return ordered_json::parse(R"({
    "process": {"args": ["sh", "-c", "true"], "noNewPrivileges": true},
    "root": {"path": "rootfs"},
    "mounts": [{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
    "linux": {"namespaces": [{"type": "mount"}]}})");
}

Result<Plan> compiled(const std::string& policy, const ordered_json& config,
                      const Listener& listener = listener_with(7)) {
  const auto parsed = parse(policy, "p.json", "p");
  if (!parsed) return fail(parsed.error().front().message);
  return compile(*parsed, config, runtime::traits(runtime::Kind::kCrun), listener,
                 runtime::Surroundings::of_a_full_machine());
}

std::string failure(const Result<Plan>& plan) { return plan ? "compiled" : plan.error().message(); }

std::vector<std::string> rows_of(const Plan& plan, Origin origin) {
  std::vector<std::string> rows;
  for (const PlanRow& row : plan.rows) {
    if (row.origin == origin)
      rows.push_back(row.pointer + " " + row.what + " | " + std::string(to_string(row.mechanism)));
  }
  return rows;
}

TEST(CompileFiles, PutsInitBeforeTheProgramAndTellsItOfTheRules) {
  const auto plan = compiled(kAll, bundle());
  ASSERT_TRUE(plan) << failure(plan);
  EXPECT_THAT(plan->init,
              ElementsAre("/dev/.tidewaiter-init", "rwx", "r/usr", "w/tmp", "w/work", "x/usr/bin", "--"));
  auto args = plan->init;
  args.insert(args.end(), {"sh", "-c", "true"});
  EXPECT_EQ(plan->config["process"]["args"], ordered_json(args));
  EXPECT_EQ(plan->config["mounts"].back()["source"], kInit);
  // Nothing else: no filter, no agent.
  EXPECT_FALSE(plan->supervised());
  ordered_json rest = plan->config;
  rest["process"]["args"] = bundle()["process"]["args"];
  rest["mounts"].erase(rest["mounts"].size() - 1);
  EXPECT_EQ(rest, bundle());
}

// /etc/hosts may be a link of the image's, to where init is.
TEST(CompileFiles, BindsInitBehindEverythingElse) {
  const auto plan =
      compiled(R"({"version": 1, "files": {"read": []}, "network": {"allow": ["name.test:80"]}})", bundle());
  ASSERT_TRUE(plan) << failure(plan);
  ASSERT_TRUE(plan->hosts);
  ASSERT_EQ(plan->config["mounts"].size(), 3U);
  EXPECT_EQ(plan->config["mounts"][1]["destination"], "/etc/hosts");
  EXPECT_EQ(plan->config["mounts"][2]["source"], kInit);
}

TEST(CompileFiles, TellsListsThatAreAbsentFromEmptyOnes) {
  const struct {
    const char* files;
    std::vector<std::string> arguments;
  } cases[] = {
      {R"({"read": []})", {"r", "--"}},
      {R"({"write": [], "exec": []})", {"wx", "--"}},
      {R"({"exec": ["/r"], "best_effort": true})", {"xb", "x/r", "--"}},
  };
  for (const auto& test : cases) {
    const auto plan = compiled(R"({"version": 1, "files": )" + std::string(test.files) + "}", bundle());
    ASSERT_TRUE(plan) << failure(plan);
    EXPECT_EQ(std::vector<std::string>(plan->init.begin() + 1, plan->init.end()), test.arguments);
  }
}

TEST(CompileFiles, LeavesTheBundleAloneWhereNothingIsEnforced) {
  for (const char* policy :
       {R"({"version": 1, "files": {}})", R"({"version": 1, "files": {"best_effort": true}})",
        R"({"version": 1, "files": {"read": []}, "mode": "audit"})"}) {
    const auto plan = compiled(policy, bundle());
    ASSERT_TRUE(plan) << failure(plan);
    EXPECT_THAT(plan->init, IsEmpty());
    EXPECT_EQ(plan->config, bundle());
  }
  const auto audit = compiled(R"({"version": 1, "files": {"read": ["/usr"]}, "mode": "audit"})", bundle());
  EXPECT_THAT(rows_of(*audit, Origin::kRule),
              ElementsAre("/files/read/0 read /usr and what lies below it: allowed | nobody",
                          "/files/read read anything else: fails with EACCES | nobody"));
}

TEST(CompileFiles, RefusesAKernelThatCannotHoldTheRules) {
  const std::string write = R"({"version": 1, "files": {"write": []}})";
  const std::string read = R"({"version": 1, "files": {"read": []}})";
  EXPECT_EQ(
      failure(compiled(write, bundle(), listener_with(0))),
      "/files: needs Landlock of version 5 (Linux 6.10), and there is none here; \"best_effort\": true goes "
      "without what the kernel cannot do");
  EXPECT_THAT(failure(compiled(write, bundle(), listener_with(4))), HasSubstr("and here is version 4"));
  EXPECT_THAT(failure(compiled(read, bundle(), listener_with(1))), HasSubstr("version 2 (Linux 5.19)"));
  EXPECT_EQ(failure(compiled(write, bundle(), listener_with(5))), "compiled");
  EXPECT_EQ(failure(compiled(read, bundle(), listener_with(2))), "compiled");
}

TEST(CompileFiles, SaysWhatBestEffortGoesWithout) {
  const std::string policy = R"({"version": 1, "files": {"write": ["/tmp"], "best_effort": true}})";
  const auto none = compiled(policy, bundle(), listener_with(0));
  ASSERT_TRUE(none) << failure(none);
  EXPECT_THAT(none->init, IsEmpty());
  EXPECT_THAT(rows_of(*none, Origin::kRule), Each(::testing::EndsWith("| nobody")));
  const struct {
    int version;
    std::size_t missing;
  } cases[] = {{1, 3}, {2, 2}, {3, 1}, {4, 1}, {5, 0}, {7, 0}};
  for (const auto& test : cases) {
    const auto plan = compiled(policy, bundle(), listener_with(test.version));
    ASSERT_TRUE(plan) << failure(plan);
    EXPECT_FALSE(plan->init.empty());
    const auto open = rows_of(*plan, Origin::kLeftOpen);
    EXPECT_EQ(
        std::count_if(open.begin(), open.end(),
                      [](const std::string& row) { return row.find("this kernel's Landlock") != row.npos; }),
        static_cast<std::ptrdiff_t>(test.missing))
        << test.version;
  }
}

TEST(CompileFiles, NeedsInitAndAMountNamespace) {
  Listener nobody = listener_with(7);
  nobody.init_program.clear();
  EXPECT_THAT(failure(compiled(kAll, bundle(), nobody)), HasSubstr("/files: there is no tidewaiter-init"));
  ordered_json config = bundle();
  config["linux"]["namespaces"] = ordered_json::array();
  EXPECT_THAT(failure(compiled(kAll, config)), HasSubstr("a policy with /files needs a mount namespace"));
}

TEST(CompileFiles, RefusesABundleWhoseArgumentsItCannotRead) {
  ordered_json config = bundle();
  config["process"]["args"] = "sh";
  EXPECT_THAT(failure(compiled(kAll, config)), HasSubstr("/process: args: expected an array of strings"));
  config = bundle();
  config["process"]["Args"] = {"sh"};
  EXPECT_THAT(failure(compiled(kAll, config)), HasSubstr("/process/Args: expected \"args\""));
}

TEST(CompileFiles, LetsInitRestrictItselfUnderTheBundlesProfile) {
  const struct {
    const char* profile;
    std::size_t added;
  } cases[] = {
      {R"({"defaultAction": "SCMP_ACT_ALLOW"})", 0},
      {R"({"defaultAction": "SCMP_ACT_LOG"})", 0},
      {R"({"defaultAction": "SCMP_ACT_ERRNO"})", 3},
      {R"({"defaultAction": "SCMP_ACT_KILL", "syscalls": [{"names": ["landlock_add_rule"], "action": "SCMP_ACT_ALLOW"}]})",
       2},
      {R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["landlock_add_rule", "landlock_create_ruleset",
           "landlock_restrict_self"], "action": "SCMP_ACT_ALLOW"}]})",
       0},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.profile);
    ordered_json config = bundle();
    config["linux"]["seccomp"] = ordered_json::parse(test.profile);
    const ordered_json before = config["linux"]["seccomp"];
    const auto plan = compiled(kAll, config);
    ASSERT_TRUE(plan) << failure(plan);
    const ordered_json& after = plan->config["linux"]["seccomp"];
    if (test.added == 0) {
      EXPECT_EQ(after, before);
      continue;
    }
    EXPECT_EQ(after["syscalls"].back()["action"], "SCMP_ACT_ALLOW");
    EXPECT_EQ(after["syscalls"].back()["names"].size(), test.added);
    EXPECT_THAT(rows_of(*plan, Origin::kFiles),
                Contains(HasSubstr("landlock_restrict_self: allowed | filter")));
  }
}

TEST(CompileFiles, LetsInitRestrictItselfBesideOtherRules) {
  ordered_json config = bundle();
  config["linux"]["seccomp"] = ordered_json::parse(R"({"defaultAction": "SCMP_ACT_ERRNO",
      "syscalls": [{"names": ["read", "ptrace"], "action": "SCMP_ACT_ALLOW"}]})");
  const auto plan = compiled(R"({"version": 1, "files": {"read": []}, "events": {"log": []},
      "syscalls": [{"names": ["ptrace"], "action": "errno"}]})",
                             config);
  ASSERT_TRUE(plan) << failure(plan);
  bool allowed = false;
  for (const auto& rule : plan->config["linux"]["seccomp"]["syscalls"]) {
    if (rule["action"] != "SCMP_ACT_ALLOW") continue;
    for (const auto& name : rule["names"]) allowed = allowed || name == "landlock_restrict_self";
  }
  EXPECT_TRUE(allowed);
}

TEST(CompileFiles, RefusesWhatKeepsInitFromRestrictingItself) {
  ordered_json config = bundle();
  config["linux"]["seccomp"] = ordered_json::parse(R"({"defaultAction": "SCMP_ACT_ALLOW",
      "syscalls": [{"names": ["landlock_add_rule"], "action": "SCMP_ACT_ERRNO"}]})");
  EXPECT_THAT(failure(compiled(kAll, config)),
              HasSubstr("the bundle's own profile refuses `landlock_add_rule`"));
  config["linux"]["seccomp"] = ordered_json::parse(R"({"defaultAction": "SCMP_ACT_ERRNO",
      "syscalls": [{"names": ["landlock_add_rule"], "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": 3, "op": "SCMP_CMP_EQ"}]}]})");
  EXPECT_THAT(failure(compiled(kAll, config)), HasSubstr("with some arguments only"));
  for (const char* name : {"landlock_restrict_self", "prctl"}) {
    const std::string policy = R"({"version": 1, "files": {"read": []}, "syscalls": [{"names": [")" +
                               std::string(name) + R"("], "action": "errno"}]})";
    EXPECT_THAT(failure(compiled(policy, bundle())), HasSubstr("cannot be refused beside /files")) << name;
  }
}

TEST(CompileFiles, ExplainsWhoEnforcesWhat) {
  const auto plan = compiled(kAll, bundle());
  ASSERT_TRUE(plan);
  EXPECT_THAT(rows_of(*plan, Origin::kRule),
              ElementsAre("/files/read/0 read /usr and what lies below it: allowed | landlock",
                          "/files/read read anything else: fails with EACCES | landlock",
                          "/files/write/0 write /tmp and what lies below it: allowed | landlock",
                          "/files/write/1 write /work and what lies below it: allowed | landlock",
                          "/files/write write anything else: fails with EACCES | landlock",
                          "/files/exec/0 execute /usr/bin and what lies below it: allowed | landlock",
                          "/files/exec execute anything else: fails with EACCES | landlock"));
  const std::string text = explain_text(*plan, {"p", Mode::kEnforce, "", "crun"});
  EXPECT_THAT(text, HasSubstr("landlock"));
  EXPECT_THAT(text, HasSubstr("Added, so that the file rules hold:"));
  EXPECT_THAT(text, HasSubstr("no_new_privs"));
  EXPECT_THAT(text, HasSubstr("programs in memory"));
  EXPECT_THAT(text, HasSubstr("Left open:"));
  EXPECT_THAT(explain_json(*plan, {"p", Mode::kEnforce, "", "crun"})["files"], SizeIs(3));
}

}  // namespace
}  // namespace tidewaiter::policy
