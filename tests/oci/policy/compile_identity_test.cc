#include "oci/policy/compile_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "oci/policy/explain.h"
#include "oci/policy/load.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using runtime::Kind;
using runtime::Surroundings;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const Listener kListener{"/run/tidewaiter/box/agent.sock", "meta", "/run/tidewaiter/box/hosts"};

Policy policy_of(const std::string& identity, const std::string& more = "") {
  const auto policy = parse(R"({"version": 1, "identity": )" + identity + more + "}", "p.json", "p");
  if (!policy) throw std::runtime_error(policy.error().front().message);
  return *policy;
}

// As engines make it, changed by `patch` (RFC 7396).
ordered_json bundle_of(const std::string& patch = "{}") {
  ordered_json config = ordered_json::parse(R"({
    "ociVersion": "1.0.2", "hostname": "0123456789ab", "root": {"path": "rootfs"},
    "process": {"args": ["sh"], "noNewPrivileges": true, "user": {"uid": 0, "gid": 0, "additionalGids": [0, 10]},
      "env": ["PATH=/bin", "HOSTNAME=0123456789ab", "LANG=de_DE", "SECRET=1"],
      "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"],
                       "permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"]}},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
               {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}],
    "linux": {"cgroupsPath": "/box", "namespaces": [{"type": "mount"}, {"type": "pid"}]}})");
  config.merge_patch(ordered_json::parse(patch));
  return config;
}

Surroundings machine() {
  Surroundings found = Surroundings::of_a_full_machine();
  for (unsigned number = 0; number < 8; ++number)
    found.cpuinfo += "processor\t: " + std::to_string(number) + "\n\n";
  found.sources["rootfs"] = {};
  return found;
}

Result<Plan> try_compile(const Policy& policy, const ordered_json& config,
                         const Surroundings& surroundings = machine()) {
  return compile(policy, config, runtime::traits(Kind::kCrun), kListener, surroundings);
}

Plan compiled(const Policy& policy, const ordered_json& config,
              const Surroundings& surroundings = machine()) {
  auto plan = try_compile(policy, config, surroundings);
  if (!plan) throw std::runtime_error("compile: " + plan.error().message());
  return std::move(*plan);
}

std::string failure(const Policy& policy, const ordered_json& config,
                    const Surroundings& surroundings = machine()) {
  const auto plan = try_compile(policy, config, surroundings);
  return plan ? "compiled" : plan.error().message();
}

const PlanRow& row_of(const Plan& plan, std::string_view pointer) {
  const auto found = std::find_if(plan.rows.begin(), plan.rows.end(),
                                  [pointer](const PlanRow& row) { return row.pointer == pointer; });
  if (found == plan.rows.end()) throw std::runtime_error("no row " + std::string(pointer));
  return *found;
}

// Where the bundle binds our files to, and from: "/etc/hostname hostname".
std::vector<std::string> bound(const Plan& plan) {
  const std::string folder = "/run/tidewaiter/box/";
  std::vector<std::string> places;
  for (const auto& mount : plan.config.value("mounts", ordered_json::array())) {
    const std::string source = mount.value("source", "");
    if (!source.starts_with(folder)) continue;
    EXPECT_EQ(mount["options"],
              ordered_json::parse(R"(["bind", "rprivate", "ro", "nosuid", "nodev", "noexec"])"));
    places.push_back(mount["destination"].get<std::string>() + " " + source.substr(folder.size()));
  }
  return places;
}

TEST(Identity, LeavesTheBundleAloneWhereItSaysNothing) {
  const ordered_json config = bundle_of();
  for (const char* nothing : {"{}", R"({"env": {}})", R"({"env": {"clean": false}})", R"({"hosts": {}})"}) {
    const Plan plan = compiled(policy_of(nothing), config);
    EXPECT_EQ(plan.config, config) << nothing;
    EXPECT_FALSE(plan.hosts);
    EXPECT_THAT(plan.files, IsEmpty());
    EXPECT_FALSE(plan.supervised());
  }
}

// --- hostname ---------------------------------------------------------------------------------------

TEST(Identity, GivesAHostNameInANamespaceOfItsOwn) {
  const char* const bundles[] = {
      "{}",
      R"({"linux": {"namespaces": [{"type": "uts"}]}})",
      R"({"linux": {"namespaces": [{"type": "uts", "path": "/proc/7/ns/uts"}]}})",
      R"({"linux": {"namespaces": null}})",
      R"({"linux": {"namespaces": [{"type": "uts"}, {"type": "mount"}, {"type": "uts", "path": "/proc/7/ns/uts"}]}})",
  };
  for (const char* patch : bundles) {
    const Plan plan = compiled(policy_of(R"({"hostname": "build"})"), bundle_of(patch));
    EXPECT_EQ(plan.config["hostname"], "build");
    const ordered_json& namespaces = plan.config["linux"]["namespaces"];
    EXPECT_EQ(namespaces.back(), ordered_json({{"type", "uts"}})) << patch;
    EXPECT_EQ(std::count_if(namespaces.begin(), namespaces.end(),
                            [](const ordered_json& one) { return one["type"] == "uts"; }),
              1)
        << patch;
    EXPECT_EQ(plan.config["process"]["env"],
              ordered_json({"PATH=/bin", "HOSTNAME=build", "LANG=de_DE", "SECRET=1"}));
    EXPECT_THAT(bound(plan), IsEmpty());
    EXPECT_TRUE(plan.remembered);
    EXPECT_TRUE(plan.holds_process);
  }
  EXPECT_THAT(failure(policy_of(R"({"hostname": "build"})"), bundle_of(R"({"linux": {"namespaces": {}}})")),
              HasSubstr("/linux/namespaces: expected an array, found object"));
}

TEST(Identity, TakesTheFileThatEnginesBindForTheHostName) {
  const Plan plan = compiled(policy_of(R"({"hostname": "build"})"), bundle_of(R"({"mounts": [
      {"destination": "/etc//hostname", "type": "bind", "source": "/run/engine/hostname", "options": ["rw"]},
      {"destination": "/data", "type": "bind", "source": "/data"}]})"));
  EXPECT_THAT(bound(plan), testing::ElementsAre("/etc/hostname hostname"));
  EXPECT_EQ(plan.config["mounts"].size(), 2U);
  EXPECT_EQ(plan.files, (BoundFiles{{"hostname", "build\n"}}));
}

// crun would write them behind the host name, and takes dots and slashes for the same.
TEST(Identity, RefusesAnotherHostNameBySysctl) {
  const Policy policy = policy_of(R"({"hostname": "build"})");
  for (const char* key : {"kernel.hostname", "kernel/hostname", "kernel..hostname", "/kernel/./hostname"}) {
    const std::string patch =
        R"({"linux": {"sysctl": {"net.core.somaxconn": "9", ")" + std::string(key) + R"(": "x"}}})";
    EXPECT_EQ(failure(policy, bundle_of(patch)),
              "/linux/sysctl/" + std::string(key) +
                  " would set another host name than the policy's /identity/hostname: take it away");
    EXPECT_EQ(failure(policy_of(R"({"env": {}})"), bundle_of(patch)), "compiled");
  }
  EXPECT_EQ(failure(policy, bundle_of(R"({"linux": {"sysctl": {"kernel.hostname2": "x"}}})")), "compiled");
}

// --- hosts ------------------------------------------------------------------------------------------

TEST(Identity, BindsAHostsFileForPinnedNames) {
  const Plan plan = compiled(
      policy_of(R"({"hosts": {"db.test": ["10.0.0.5", "2001:db8::5"], "api.test": "10.0.0.6"}})"),
      bundle_of(R"({"mounts": [{"destination": "/etc/hosts", "type": "bind", "source": "/run/hosts"}]})"));
  EXPECT_THAT(bound(plan), testing::ElementsAre("/etc/hosts hosts"));
  EXPECT_EQ(plan.hosts, (spec::HostsBase{"/", "/run/hosts"}));
  EXPECT_EQ(plan.pinned_hosts, "10.0.0.5\tdb.test\n2001:db8::5\tdb.test\n10.0.0.6\tapi.test\n");
  EXPECT_FALSE(plan.supervised());
  EXPECT_FALSE(plan.agent_keeps_hosts);
  EXPECT_TRUE(plan.remembered);
  EXPECT_EQ(row_of(plan, "/identity/hosts/db.test").what, "db.test is 10.0.0.5, 2001:db8::5");
}

TEST(Identity, SharesTheHostsFileWithTheNamesThatAreAllowed) {
  const Plan plan = compiled(policy_of(R"({"hosts": {"db.test": "10.0.0.5"}})",
                                       R"(, "network": {"allow": ["api.test:443", "db.test"]})"),
                             bundle_of());
  EXPECT_THAT(bound(plan), testing::ElementsAre("/etc/hosts hosts"));
  EXPECT_TRUE(plan.agent_keeps_hosts);
  EXPECT_EQ(plan.pinned_hosts, "10.0.0.5\tdb.test\n");
  EXPECT_THAT(row_of(plan, "/network/allow/0").note, StartsWith("resolved when the container starts"));
  EXPECT_EQ(row_of(plan, "/network/allow/1").note, "stands for the addresses in /identity/hosts/db.test");
  const std::string text = explain_text(plan, {});
  EXPECT_THAT(text, HasSubstr("/etc/hosts, read-only, with api.test"));
  EXPECT_THAT(text, Not(HasSubstr("with api.test, db.test")));
  const Plan none = compiled(policy_of("{}", R"(, "network": {"allow": ["10.0.0.5"]})"), bundle_of());
  EXPECT_FALSE(none.hosts);
}

// --- cpus -------------------------------------------------------------------------------------------

TEST(Identity, LeavesTheProcessorsThatBundleAndPolicyBothHave) {
  const struct {
    const char* cpus;  // of the policy
    const char* own;   // of the bundle
    const char* chosen;
  } cases[] = {
      {"2", R"(null)", "0-1"},       {"1", R"("3,5-7")", "3"},     {"3", R"("3,5-7")", "3,5-6"},
      {"100", R"(null)", "0-7"},     {"100", R"("3,5")", "3,5"},   {R"("2-3")", R"(null)", "2-3"},
      {R"("2-3")", R"("3-6")", "3"}, {R"("2-3")", R"("")", "2-3"},
  };
  for (const auto& one : cases) {
    const Plan plan = compiled(policy_of(R"({"cpus": )" + std::string(one.cpus) + "}"),
                               bundle_of(R"({"linux": {"resources": {"cpu": {"shares": 7, "cpus": )" +
                                         std::string(one.own) + "}}}}"));
    EXPECT_EQ(plan.config["linux"]["resources"]["cpu"]["cpus"], one.chosen) << one.cpus << " " << one.own;
    EXPECT_EQ(plan.config["linux"]["resources"]["cpu"]["shares"], 7);
    EXPECT_EQ(plan.processors, one.chosen);
    EXPECT_THAT(row_of(plan, "/identity/cpus").note, HasSubstr("here " + std::string(one.chosen)));
    EXPECT_FALSE(plan.holds_process);
    EXPECT_TRUE(plan.remembered);
  }
}

// A cgroup that asks for others than the one above it has gets all of that one's.
TEST(Identity, TakesProcessorsThatTheContainerCanHave) {
  const auto chosen = [](const char* online, std::set<unsigned> processors) {
    Surroundings found = machine();
    found.online = online;
    found.processors = std::move(processors);
    return compiled(policy_of(R"({"cpus": 2})"), bundle_of(), found).processors;
  };
  EXPECT_EQ(chosen("2-7", {0, 1, 2, 3}), "2-3");
  EXPECT_EQ(chosen("3,5-7", {0, 1, 2, 3}), "3");
  EXPECT_EQ(chosen("4-7", {0, 1, 2, 3}), "4-5");
  EXPECT_EQ(chosen("", {0, 1, 2, 3}), "0-1");
}

TEST(Identity, ShowsTheProcessorsInTheFilesOfTheKernel) {
  const Plan plan = compiled(policy_of(R"({"cpus": "1,3"})"), bundle_of());
  EXPECT_THAT(bound(plan),
              testing::ElementsAre("/proc/cpuinfo cpuinfo", "/sys/devices/system/cpu/online cpus-online",
                                   "/sys/devices/system/cpu/possible cpus-possible",
                                   "/sys/devices/system/cpu/present cpus-present"));
  EXPECT_EQ(plan.files, (BoundFiles{{"cpuinfo", "processor\t: 1\n\nprocessor\t: 3\n\n"},
                                    {"cpus-online", "1,3\n"},
                                    {"cpus-possible", "0-3\n"},
                                    {"cpus-present", "0-3\n"}}));
  // Where they are not mounted there is nothing to bind over.
  EXPECT_THAT(bound(compiled(policy_of(R"({"cpus": 1})"), bundle_of(R"({"mounts": null})"))), IsEmpty());
  const Plan proc = compiled(policy_of(R"({"cpus": 1})"),
                             bundle_of(R"({"mounts": [{"destination": "/proc/", "type": "proc"}]})"));
  EXPECT_THAT(bound(proc), testing::ElementsAre("/proc/cpuinfo cpuinfo"));
  const Plan processes = compiled(
      policy_of(R"({"cpus": 1})"),
      bundle_of(
          R"({"mounts": [{"destination": "/proc", "type": "proc", "options": ["ro", "subset=pid"]}]})"));
  EXPECT_THAT(bound(processes), IsEmpty());
  // As rootless engines have them; and what is none of the kernel's.
  Surroundings around = machine();
  for (const char* source : {"/proc", "/sys", "/data"}) around.sources[source] = {};
  const auto binds = [&](const char* destination, const char* source) {
    const std::string mounts = R"([{"destination": ")" + std::string(destination) +
                               R"(", "type": "bind", "source": ")" + source +
                               R"(", "options": ["rbind", "rro"]}])";
    return bound(compiled(policy_of(R"({"cpus": 1})"), bundle_of(R"({"mounts": )" + mounts + "}"), around))
        .size();
  };
  EXPECT_EQ(binds("/proc", "/proc"), 1U);
  EXPECT_EQ(binds("/sys", "/sys"), 3U);
  EXPECT_EQ(binds("/proc", "/data"), 0U);
  EXPECT_EQ(binds("/sys", "/data"), 0U);
}

TEST(Identity, HoldsProcessorsLikeALimit) {
  const Policy policy = policy_of(R"({"cpus": 1})");
  EXPECT_EQ(
      failure(policy, bundle_of(R"({"linux": {"resources": {"unified": {"cpuset.cpus": "0-7"}}}})")),
      "/linux/resources/unified/cpuset.cpus would replace what the policy's /identity/cpus becomes: write it "
      "as /linux/resources/cpu/cpus, of which the tighter counts, or leave it out");
  EXPECT_EQ(failure(policy, bundle_of(R"({"annotations": {"org.systemd.property.AllowedCPUs": "[]"}})")),
            "the annotation org.systemd.property.AllowedCPUs would have systemd set another limit than the "
            "policy's /identity/cpus: take the annotation away");
  EXPECT_THAT(failure(policy, bundle_of(R"({"mounts": [{"destination": "/c", "type": "cgroup2"}]})")),
              HasSubstr("another limit into its cgroup than the policy's /identity/cpus: make it read-only"));
  EXPECT_THAT(explain_text(compiled(policy, bundle_of()), {}), HasSubstr("[namespaces]"));
  EXPECT_EQ(failure(policy_of(R"({"cpus": "2-3"})"),
                    bundle_of(R"({"linux": {"resources": {"cpu": {"cpus": "0-1"}}}})")),
            "/linux/resources/cpu/cpus: expected one at least of the processors 2-3, which the policy's "
            "/identity/cpus leaves, found \"0-1\"");
  EXPECT_THAT(failure(policy, bundle_of(R"({"linux": {"resources": {"cpu": {"cpus": "all"}}}})")),
              StartsWith("/linux/resources/cpu/cpus: expected numbers of processors and ranges"));
  EXPECT_THAT(failure(policy, bundle_of(R"({"linux": {"resources": {"cpu": {"cpus": 1}}}})")),
              StartsWith("/linux/resources/cpu/cpus: expected text, as in \"0-3\", found 1"));
  Surroundings blind = machine();
  blind.processors.clear();
  blind.online.clear();
  EXPECT_EQ(failure(policy, bundle_of(), blind), "/identity/cpus: which processors there are is not known");
}

TEST(Identity, SaysWhereNoCgroupHoldsProcessors) {
  const auto judged = [](const char* identity, const Surroundings& found, const char* patch = "{}") {
    const Status held =
        check_machine(policy_of(identity), bundle_of(patch), runtime::traits(Kind::kCrun), found);
    return held ? "held" : held.error().message();
  };
  Surroundings found = machine();
  EXPECT_EQ(judged(R"({"cpus": 1})", found), "held");
  EXPECT_EQ(judged(R"({"cpus": 100})", found), "held");
  EXPECT_EQ(judged(R"({"cpus": "0,7"})", found), "held");
  EXPECT_EQ(
      judged(R"({"cpus": "7-8"})", found),
      "/identity/cpus: expected some of the machine's processors, 0-7 (/sys/devices/system/cpu/online), "
      "found 7-8");
  // A cgroup of processors that are not there has all of its parent's.
  const char* const kAbsent = R"({"linux": {"resources": {"cpu": {"cpus": "8-9"}}}})";
  EXPECT_EQ(judged(R"({"hostname": "a"})", found, kAbsent), "held");
  EXPECT_EQ(
      judged(R"({"cpus": 1})", found, kAbsent),
      "/linux/resources/cpu/cpus: expected some of the machine's processors, 0-7 "
      "(/sys/devices/system/cpu/online), found \"8-9\": of these /identity/cpus would leave 8, and where "
      "none is there the kernel gives all");
  EXPECT_EQ(judged(R"({"cpus": 1})", found, R"({"linux": {"resources": {"cpu": {"cpus": "7-9"}}}})"), "held");
  found.initial_root = false;
  found.controllers.erase("cpuset");
  found.withheld = {"cpuset"};
  EXPECT_THAT(
      judged(R"({"cpus": 1})", found),
      StartsWith("/identity/cpus: no cgroup would hold it: the machine has its controller, but does not "
                 "delegate it to you"));
  EXPECT_EQ(judged(R"({"hostname": "a"})", found), "held");
  found.cgroups = runtime::Cgroups::kV1;
  EXPECT_THAT(judged(R"({"cpus": 1})", found), HasSubstr("under version 1 an ordinary user has none"));
}

// --- env --------------------------------------------------------------------------------------------

TEST(Identity, SaysWhichVariablesThereAre) {
  const struct {
    const char* env;
    const char* own;
    const char* expected;
  } cases[] = {
      {R"({"set": {"LANG": "C"}})", R"(["PATH=/bin", "LANG=de", "LANG=fr"])", R"(["PATH=/bin", "LANG=C"])"},
      {R"({"set": {"LANG": "C"}})", "null", R"(["LANG=C"])"},
      {R"({"set": {"B": "x=y", "A": ""}})", "[]", R"(["B=x=y", "A="])"},
      {R"({"clean": true})", R"(["A=1", "B", "=C"])", "[]"},
      {R"({"clean": true, "pass": ["LC_*", "P"]})", R"(["LC_ALL=C", "LC=1", "P=1", "PP=1", "P", "lc_x=1"])",
       R"(["LC_ALL=C", "P=1", "P"])"},
      {R"({"clean": true, "pass": ["*"]})", R"(["A=1", "B="])", R"(["A=1", "B="])"},
      {R"({"clean": true, "pass": ["A"], "set": {"A": "2"}})", R"(["A=1", "B=1"])", R"(["A=2"])"},
      {R"({"clean": true, "pass": ["A"]})", "null", "null"},
  };
  for (const auto& one : cases) {
    const Plan plan =
        compiled(policy_of(R"({"env": )" + std::string(one.env) + "}"),
                 bundle_of(R"({"process": {"args": ["/bin/sh"], "env": )" + std::string(one.own) + "}}"));
    const ordered_json env = plan.config["process"].value("env", ordered_json());
    EXPECT_EQ(env, ordered_json::parse(one.expected)) << one.env << " " << one.own;
  }
}

TEST(Identity, TellsTheHostNameByItsVariable) {
  const auto env = [](const char* identity, const char* own) {
    return compiled(policy_of(identity),
                    bundle_of(R"({"process": {"args": ["/x"], "env": )" + std::string(own) + "}}"))
        .config["process"]["env"]
        .dump();
  };
  EXPECT_EQ(env(R"({"hostname": "b"})", R"(["HOSTNAME=a", "HOSTNAMES=a"])"),
            R"(["HOSTNAME=b","HOSTNAMES=a"])");
  EXPECT_EQ(env(R"({"hostname": "b", "env": {"set": {"HOSTNAME": "c"}}})", R"(["HOSTNAME=a"])"),
            R"(["HOSTNAME=c"])");
  EXPECT_EQ(env(R"({"hostname": "b", "env": {"clean": true}})", R"(["HOSTNAME=a"])"), "[]");
}

TEST(Identity, RefusesVariablesThatItCannotRead) {
  const Policy policy = policy_of(R"({"env": {"clean": true}})");
  const auto refused = [&](const char* process) {
    return failure(policy, bundle_of(R"({"process": )" + std::string(process) + "}"));
  };
  EXPECT_EQ(refused(R"({"args": ["/x"], "env": {}})"), "/process/env: expected an array, found object");
  EXPECT_EQ(refused(R"({"args": ["/x"], "env": ["A=1", 5]})"),
            "/process/env/1: expected text, as in \"LANG=C\", found number");
  EXPECT_EQ(refused("null"), "/process is missing: /identity/env is about it");
  EXPECT_EQ(refused(R"({"Env": []})"),
            "/process/Env: expected \"env\": runc takes the one for the other, whatever their case, and crun "
            "does not");
}

// The runtime would say that there is no such program.
TEST(Identity, RefusesToTakeAwayThePathByWhichTheProgramIsFound) {
  const auto refused = [](const char* env, const char* args) {
    return failure(policy_of(R"({"env": )" + std::string(env) + "}"),
                   bundle_of(R"({"process": {"args": )" + std::string(args) + "}}"));
  };
  EXPECT_EQ(
      refused(R"({"clean": true})", R"(["sh"])"),
      "/identity/env: leaves no PATH, by which the container's program \"sh\" is found: write \"PATH\" into "
      "\"pass\", or set it");
  EXPECT_EQ(refused(R"({"clean": true})", R"(["/bin/sh"])"), "compiled");
  EXPECT_EQ(refused(R"({"clean": true, "pass": ["PA*"]})", R"(["sh"])"), "compiled");
  EXPECT_EQ(refused(R"({"clean": true, "set": {"PATH": "/bin"}})", R"(["sh"])"), "compiled");
}

// --- user -------------------------------------------------------------------------------------------

TEST(Identity, GivesTheUserAndTakesWhatTheBundleGaveToAnother) {
  const struct {
    const char* what;
    const char* user;  // of the policy
    const char* own;   // of the bundle
    const char* expected;
    bool keeps;  // the capabilities
  } cases[] = {
      {"root is another", R"({"uid": 1000, "gid": 100})",
       R"({"uid": 0, "gid": 0, "additionalGids": [0, 10]})",
       R"({"uid": 1000, "gid": 100, "additionalGids": []})", false},
      {"nobody is root", R"({"uid": 1000, "gid": 100, "additional_gids": [27, 5]})", "null",
       R"({"uid": 1000, "gid": 100, "additionalGids": [27, 5]})", false},
      {"another user", R"({"uid": 1000, "gid": 100})", R"({"uid": 33, "gid": 33, "umask": 18})",
       R"({"uid": 1000, "gid": 100, "umask": 18, "additionalGids": []})", false},
      {"the same user", R"({"uid": 1000, "gid": 100})", R"({"uid": 1000, "gid": 0})",
       R"({"uid": 1000, "gid": 100, "additionalGids": []})", true},
      {"the same root", R"({"uid": 0, "gid": 5})", R"({"uid": 0, "gid": 0})",
       R"({"uid": 0, "gid": 5, "additionalGids": []})", true},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.what);
    ordered_json config = bundle_of();
    config["process"]["user"] = ordered_json::parse(one.own);
    const ordered_json own = config["process"]["capabilities"];
    const Plan plan = compiled(policy_of(R"({"user": )" + std::string(one.user) + "}"), config);
    EXPECT_EQ(nlohmann::json(plan.config["process"]["user"]), nlohmann::json::parse(one.expected));
    ordered_json capabilities = own;
    if (!one.keeps) {
      for (const char* set : {"effective", "inheritable", "permitted", "ambient"})
        capabilities[set] = ordered_json::array();
    }
    EXPECT_EQ(plan.config["process"]["capabilities"], capabilities);
    EXPECT_TRUE(plan.holds_process);
  }
}

TEST(Identity, MakesNobodyRoot) {
  const Policy policy = policy_of(R"({"user": {"uid": 0, "gid": 0}})");
  EXPECT_EQ(failure(policy, bundle_of(R"({"process": {"user": {"uid": 33}}})")),
            "/process/user/uid: the policy's /identity/user would make root of user 33, with the "
            "capabilities of the "
            "bounding set: a policy only takes away");
  ordered_json process = {{"user", {{"uid", 33}}}};
  EXPECT_FALSE(hold_process(*policy.identity, process, ""));
}

// Only runc takes these for what they resemble.
TEST(Identity, RefusesAnotherLetterCase) {
  const Policy policy = policy_of(R"({"user": {"uid": 1000, "gid": 1000}})");
  for (const char* process :
       {R"({"User": {"uid": 0}})", R"({"user": {"Uid": 0}})", R"({"user": {"additionalGIDs": []}})",
        R"({"capabilities": {"Ambient": ["CAP_SYS_ADMIN"]}})"}) {
    EXPECT_THAT(failure(policy, bundle_of(R"({"process": )" + std::string(process) + "}")),
                HasSubstr("runc takes the one for the other"))
        << process;
  }
}

// An image's annotations may say so.
TEST(Identity, RefusesGroupsThatAreKept) {
  const ordered_json config = bundle_of(R"({"annotations": {"run.oci.keep_original_groups": "1"}})");
  EXPECT_THAT(
      failure(policy_of(R"({"user": {"uid": 1000, "gid": 1000}})"), config),
      StartsWith("the annotation run.oci.keep_original_groups would leave the container other groups"));
  EXPECT_EQ(failure(policy_of(R"({"hostname": "a"})"), config), "compiled");
}

TEST(Identity, RefusesIdsThatTheUserNamespaceDoesNotHave) {
  const char* const kOwn = R"({"linux": {"namespaces": [{"type": "mount"}, {"type": "user"}],
      "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 100000, "size": 999}],
      "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 50}]}})";
  const auto judged = [](const char* user, const char* patch, const Surroundings& found = machine()) {
    return failure(policy_of(R"({"user": )" + std::string(user) + "}"), bundle_of(patch), found);
  };
  EXPECT_EQ(judged(R"({"uid": 999, "gid": 49})", kOwn), "compiled");
  EXPECT_EQ(
      judged(R"({"uid": 1000, "gid": 49})", kOwn),
      "/identity/user/uid: expected one of the users that the container's user namespace has, 0, 1 to 999, "
      "found 1000");
  EXPECT_EQ(judged(R"({"uid": 1, "gid": 50})", kOwn),
            "/identity/user/gid: expected one of the groups that the container's user namespace has, 0 to "
            "49, found "
            "50");
  EXPECT_THAT(judged(R"({"uid": 1, "gid": 1, "additional_gids": [2, 50]})", kOwn),
              StartsWith("/identity/user/additional_gids/1: expected one of the groups"));
  // That of who calls, as with rootless podman.
  Surroundings rootless = machine();
  rootless.uids = {{0, 1}, {1, 65536}};
  rootless.gids = {{0, 1}};
  EXPECT_EQ(judged(R"({"uid": 65536, "gid": 0})", "{}", rootless), "compiled");
  EXPECT_THAT(judged(R"({"uid": 65537, "gid": 0})", "{}", rootless), HasSubstr("0, 1 to 65536, found 65537"));
  EXPECT_THAT(judged(R"({"uid": 1, "gid": 1})", "{}", rootless), HasSubstr("has, 0, found 1"));
  EXPECT_THAT(judged(R"({"uid": 1, "gid": 1})", "{}", {}), HasSubstr("has, none, found 1"));
  // What is joined, or left to the runtime, nobody knows beforehand.
  for (const char* unknown : {R"({"linux": {"namespaces": [{"type": "user", "path": "/proc/7/ns/user"}]}})",
                              R"({"linux": {"namespaces": [{"type": "user"}], "uidMappings": []}})"}) {
    EXPECT_EQ(judged(R"({"uid": 4000000, "gid": 4000000})", unknown, rootless), "compiled") << unknown;
  }
}

// --- rows, and audit --------------------------------------------------------------------------------

TEST(Identity, IsExplainedWithoutTheValuesOfVariables) {
  const Plan plan = compiled(policy_of(R"({"hostname": "build", "hosts": {"db": "10.0.0.5"}, "cpus": 2,
      "env": {"clean": true, "pass": ["PATH", "LC_*"], "set": {"TOKEN": "hidden"}},
      "user": {"uid": 1000, "gid": 100, "additional_gids": [27, 5]}})"),
                             bundle_of());
  const struct {
    const char* pointer;
    const char* what;
    Mechanism mechanism;
  } rows[] = {
      {"/identity/hostname", "host name build", Mechanism::kRuntime},
      {"/identity/hosts/db", "db is 10.0.0.5", Mechanism::kRuntime},
      {"/identity/cpus", "at most 2 processors", Mechanism::kCgroup},
      {"/identity/env", "no variables but PATH, LC_*, sets TOKEN", Mechanism::kRuntime},
      {"/identity/user", "user 1000, group 100, and groups 27, 5", Mechanism::kRuntime},
  };
  for (const auto& [pointer, what, mechanism] : rows) {
    EXPECT_EQ(row_of(plan, pointer).what, what);
    EXPECT_EQ(row_of(plan, pointer).mechanism, mechanism) << pointer;
    EXPECT_EQ(row_of(plan, pointer).cost, "none");
  }
  const std::string text = explain_text(plan, {});
  EXPECT_THAT(text, HasSubstr("/identity/user"));
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
  EXPECT_THAT(explain_json(plan, {}).dump(), Not(HasSubstr("hidden")));
}

// What would be tried out without its names would decide on other addresses.
TEST(Identity, IsNotGivenInAuditModeButForTheHosts) {
  const Plan plan = compiled(policy_of(R"({"hostname": "build", "hosts": {"db": "10.0.0.5"}, "cpus": 1,
      "env": {"clean": true}, "user": {"uid": 1000, "gid": 100}})",
                                       R"(, "mode": "audit")"),
                             bundle_of(R"({"annotations": {"run.oci.keep_original_groups": "1"}})"));
  const ordered_json config = bundle_of();
  EXPECT_EQ(plan.config["process"], config["process"]);
  EXPECT_EQ(plan.config["hostname"], config["hostname"]);
  EXPECT_EQ(plan.config["linux"], config["linux"]);
  EXPECT_THAT(bound(plan), testing::ElementsAre("/etc/hosts hosts"));
  EXPECT_FALSE(plan.holds_process);
  EXPECT_EQ(row_of(plan, "/identity/user").mechanism, Mechanism::kNobody);
  EXPECT_EQ(row_of(plan, "/identity/user").what, "user 1000, group 100 (audit: left as it is)");
  EXPECT_EQ(row_of(plan, "/identity/cpus").mechanism, Mechanism::kNobody);
  EXPECT_EQ(row_of(plan, "/identity/hosts/db").mechanism, Mechanism::kRuntime);
}

}  // namespace
}  // namespace tidewaiter::policy
