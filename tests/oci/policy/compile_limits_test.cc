#include "oci/policy/compile_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "oci/policy/baseline.h"
#include "oci/policy/load.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using runtime::Cgroups;
using runtime::Kind;
using runtime::Surroundings;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const Listener kListener{"/run/tidewaiter/box/agent.sock", "meta", "/run/tidewaiter/box/hosts"};

Policy policy_of(const std::string& limits, const std::string& more = "") {
  const auto policy = parse(R"({"version": 1, "limits": )" + limits + more + "}", "p.json", "p");
  if (!policy) throw std::runtime_error(policy.error().front().message);
  return *policy;
}

ordered_json bundle_of(const std::string& resources, const std::string& rlimits = "null") {
  ordered_json config = ordered_json::parse(
      R"({"ociVersion": "1.0.2", "process": {"args": ["sh"], "noNewPrivileges": true},
          "root": {"path": "rootfs"}, "linux": {"cgroupsPath": "/box", "namespaces": []}})");
  config["linux"]["resources"] = ordered_json::parse(resources);
  config["process"]["rlimits"] = ordered_json::parse(rlimits);
  return config;
}

ordered_json with_pid_namespace(const std::string& resources) {
  ordered_json config = bundle_of(resources);
  config["linux"]["namespaces"].push_back({{"type", "pid"}});
  return config;
}

// A full machine that has been looked at: everything that the bundle binds is there, and shows no cgroup.
Surroundings around(const ordered_json& config,
                    Surroundings surroundings = Surroundings::of_a_full_machine()) {
  for (const std::string& source : spec::bind_sources(config)) surroundings.sources.try_emplace(source);
  return surroundings;
}

Plan compiled(const Policy& policy, const ordered_json& config,
              const Surroundings& surroundings = Surroundings::of_a_full_machine(), Kind kind = Kind::kCrun) {
  auto plan = compile(policy, config, runtime::traits(kind), kListener, around(config, surroundings));
  if (!plan) throw std::runtime_error("compile: " + plan.error().message());
  return std::move(*plan);
}

std::string failure(const Policy& policy, const ordered_json& config,
                    const Surroundings& surroundings = Surroundings::of_a_full_machine()) {
  const auto plan =
      compile(policy, config, runtime::traits(Kind::kCrun), kListener, around(config, surroundings));
  return plan ? "compiled" : plan.error().message();
}

std::vector<PlanRow> rows_of(const Plan& plan, std::string_view pointer) {
  std::vector<PlanRow> rows;
  for (const PlanRow& row : plan.rows) {
    if (row.pointer == pointer) rows.push_back(row);
  }
  return rows;
}

// --- the tighter of bundle and policy ---------------------------------------------------------------

TEST(Limits, BecomeWhatTheTighterOfBundleAndPolicySays) {
  struct Case {
    const char* what;
    const char* limits;     // of the policy
    const char* resources;  // of the bundle
    const char* expected;
    bool own = false;  // the bundle's is said to be tighter
  };
  const Case cases[] = {
      {"memory, nothing said", R"({"memory": "256M"})", "null",
       R"({"memory": {"limit": 268435456, "swap": 268435456}})"},
      {"memory, an empty object", R"({"memory": "256M"})", R"({"memory": {}})",
       R"({"memory": {"limit": 268435456, "swap": 268435456}})"},
      {"memory, null", R"({"memory": "256M"})", R"({"memory": {"limit": null, "swap": null}})",
       R"({"memory": {"limit": 268435456, "swap": 268435456}})"},
      {"memory, no limit by name", R"({"memory": "256M"})", R"({"memory": {"limit": -1, "swap": -1}})",
       R"({"memory": {"limit": 268435456, "swap": 268435456}})"},
      {"memory, 0", R"({"memory": "256M"})", R"({"memory": {"limit": 0}})",
       R"({"memory": {"limit": 268435456, "swap": 268435456}})"},
      {"memory, what podman writes for no limit", R"({"memory": "256M"})",
       R"({"memory": {"limit": 9223372036854775807, "swap": -1}})",
       R"({"memory": {"limit": 268435456, "swap": 268435456}})"},
      {"memory, more", R"({"memory": "256M"})", R"({"memory": {"limit": 536870912, "swap": 1073741824}})",
       R"({"memory": {"limit": 268435456, "swap": 268435456}})"},
      {"memory, the same", R"({"memory": "256M"})", R"({"memory": {"limit": 268435456}})",
       R"({"memory": {"limit": 268435456, "swap": 268435456}})"},
      {"memory, less, and swap without end", R"({"memory": "256M"})", R"({"memory": {"limit": 67108864}})",
       R"({"memory": {"limit": 67108864, "swap": 268435456}})", true},
      {"memory, less, and swap as podman sets it", R"({"memory": "256M"})",
       R"({"memory": {"limit": 67108864, "swap": 134217728}})",
       R"({"memory": {"limit": 67108864, "swap": 134217728}})", true},
      {"memory, less, and no swap", R"({"memory": "256M"})",
       R"({"memory": {"limit": 67108864, "swap": 67108864}})",
       R"({"memory": {"limit": 67108864, "swap": 67108864}})", true},
      {"memory, swap alone", R"({"memory": "256M"})", R"({"memory": {"swap": 67108864}})",
       R"({"memory": {"swap": 67108864, "limit": 67108864}})", true},
      {"memory, swap 0", R"({"memory": "256M"})", R"({"memory": {"limit": 67108864, "swap": 0}})",
       R"({"memory": {"limit": 67108864, "swap": 67108864}})", true},
      {"what else there is stays", R"({"memory": "256M"})",
       R"({"devices": [], "memory": {"reservation": 1, "kernel": -9223372036854775808}, "pids": {"limit": 7}})",
       R"({"devices": [], "memory": {"reservation": 1, "kernel": -9223372036854775808, "limit": 268435456,
           "swap": 268435456}, "pids": {"limit": 7}})"},

      {"processes, nothing said", R"({"processes": 100})", "null", R"({"pids": {"limit": 100}})"},
      {"processes, more", R"({"processes": 100})", R"({"pids": {"limit": 2048}})",
       R"({"pids": {"limit": 100}})"},
      {"processes, less", R"({"processes": 100})", R"({"pids": {"limit": 99}})", R"({"pids": {"limit": 99}})",
       true},
      {"processes, 0", R"({"processes": 100})", R"({"pids": {"limit": 0}})", R"({"pids": {"limit": 100}})"},
      {"processes, -1", R"({"processes": 100})", R"({"pids": {"limit": -1}})", R"({"pids": {"limit": 100}})"},

      {"cpus, nothing said", R"({"cpus": 1.5})", "null", R"({"cpu": {"quota": 150000, "period": 100000}})"},
      {"cpus, no limit", R"({"cpus": 1.5})", R"({"cpu": {"shares": 1024, "quota": -1, "period": 100000}})",
       R"({"cpu": {"shares": 1024, "quota": 150000, "period": 100000}})"},
      {"cpus, 0", R"({"cpus": 1.5})", R"({"cpu": {"quota": 0, "period": 0}})",
       R"({"cpu": {"quota": 150000, "period": 100000}})"},
      {"cpus, more", R"({"cpus": 1.5})", R"({"cpu": {"quota": 200000}})",
       R"({"cpu": {"quota": 150000, "period": 100000}})"},
      {"cpus, more in a shorter period", R"({"cpus": 1.5})", R"({"cpu": {"quota": 20000, "period": 10000}})",
       R"({"cpu": {"quota": 15000, "period": 10000}})"},
      {"cpus, less", R"({"cpus": 1.5})", R"({"cpu": {"quota": 50000, "period": 50000}})",
       R"({"cpu": {"quota": 50000, "period": 50000}})", true},
      {"cpus, less by the default period", R"({"cpus": 1.5})", R"({"cpu": {"quota": 50000}})",
       R"({"cpu": {"quota": 50000, "period": 100000}})", true},
      {"cpus, a period alone", R"({"cpus": 1.5})", R"({"cpu": {"period": 50000}})",
       R"({"cpu": {"period": 50000, "quota": 75000}})"},
      {"cpus, a quota that the kernel would not take", R"({"cpus": 0.05})", R"({"cpu": {"period": 1000}})",
       R"({"cpu": {"period": 100000, "quota": 5000}})"},
      {"cpus, a quota of one second", R"({"cpus": 0.3})", R"({"cpu": {"period": 1000000}})",
       R"({"cpu": {"period": 1000000, "quota": 300000}})"},
      {"cpus, and what was saved up", R"({"cpus": 1.5})", R"({"cpu": {"quota": 200000, "burst": 100000}})",
       R"({"cpu": {"quota": 150000, "period": 100000}})"},
      {"cpus, less, and what was saved up", R"({"cpus": 1.5})",
       R"({"cpu": {"quota": 100000, "burst": 100000}})", R"({"cpu": {"quota": 100000, "period": 100000}})",
       true},
      {"cpus, and which", R"({"cpus": 1.5})", R"({"cpu": {"cpus": "0-1", "mems": "0"}})",
       R"({"cpu": {"cpus": "0-1", "mems": "0", "quota": 150000, "period": 100000}})"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const Plan plan = compiled(policy_of(one.limits), bundle_of(one.resources));
    EXPECT_EQ(plan.config["linux"]["resources"], ordered_json::parse(one.expected));
    const std::string pointer = "/limits/" + ordered_json::parse(one.limits).items().begin().key();
    const auto rows = rows_of(plan, pointer);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].mechanism, Mechanism::kCgroup);
    EXPECT_EQ(rows[0].cost, "none");
    EXPECT_THAT(rows[0].what, StartsWith("at most "));
    EXPECT_EQ(rows[0].note.find("is tighter") != std::string::npos, one.own) << rows[0].note;
    EXPECT_FALSE(plan.supervised());
  }
}

TEST(Limits, LowerTheOpenFilesOfTheBundle) {
  struct Case {
    const char* what;
    const char* rlimits;
    const char* expected;
    bool own = false;
  };
  const Case cases[] = {
      {"more", R"([{"type": "RLIMIT_NOFILE", "hard": 1048576, "soft": 1024}])",
       R"([{"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64}])"},
      {"as podman writes it", R"([{"type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 1048576},
                                  {"type": "RLIMIT_NPROC", "hard": 4194304, "soft": 4194304}])",
       R"([{"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64},
           {"type": "RLIMIT_NPROC", "hard": 4194304, "soft": 4194304}])"},
      {"each by itself", R"([{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 32}])",
       R"([{"type": "RLIMIT_NOFILE", "hard": 64, "soft": 32}])"},
      {"less", R"([{"type": "RLIMIT_NOFILE", "hard": 48, "soft": 32}])",
       R"([{"type": "RLIMIT_NOFILE", "hard": 48, "soft": 32}])", true},
      {"twice", R"([{"type": "RLIMIT_NOFILE", "hard": 48, "soft": 48},
                    {"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}])",
       R"([{"type": "RLIMIT_NOFILE", "hard": 48, "soft": 48},
           {"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64}])"},
      {"of others", R"([{"type": "RLIMIT_CORE", "hard": 0, "soft": 0}])",
       R"([{"type": "RLIMIT_CORE", "hard": 0, "soft": 0}, {"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64}])"},
      {"none", "null", R"([{"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64}])"},
      {"an empty list", "[]", R"([{"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64}])"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const Plan plan = compiled(policy_of(R"({"open_files": 64})"), bundle_of("null", one.rlimits));
    EXPECT_EQ(plan.config["process"]["rlimits"], ordered_json::parse(one.expected));
    EXPECT_TRUE(plan.config["linux"]["resources"].is_null());
    EXPECT_EQ(plan.open_files, 64);
    const auto rows = rows_of(plan, "/limits/open_files");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].what, "at most 64 open files in each process");
    EXPECT_EQ(rows[0].note.find("is tighter") != std::string::npos, one.own) << rows[0].note;
  }
}

// What a bundle leaves out is inherited, and may be less than the policy's.
TEST(Limits, LeaveOpenFilesAtWhatWouldBeInherited) {
  Surroundings surroundings = Surroundings::of_a_full_machine();
  surroundings.soft_open_files = 1024;
  surroundings.hard_open_files = 4096;
  const auto rlimit = [&](const char* limits) {
    return compiled(policy_of(limits), bundle_of("null"), surroundings)
        .config["process"]["rlimits"][0]
        .dump();
  };
  EXPECT_EQ(rlimit(R"({"open_files": 64})"), R"({"type":"RLIMIT_NOFILE","hard":64,"soft":64})");
  EXPECT_EQ(rlimit(R"({"open_files": 2048})"), R"({"type":"RLIMIT_NOFILE","hard":2048,"soft":1024})");
  EXPECT_EQ(rlimit(R"({"open_files": 9999})"), R"({"type":"RLIMIT_NOFILE","hard":4096,"soft":1024})");
}

TEST(Limits, LeaveTheBundleAloneWhereTheyAreAbsentOrOnlyAudited) {
  const ordered_json config = bundle_of(R"({"memory": {"limit": 0}})");
  EXPECT_EQ(compiled(policy_of("{}"), config).config, config);
  const Plan plan =
      compiled(policy_of(R"({"memory": "64M", "open_files": 64})", R"(, "mode": "audit")"), config);
  EXPECT_EQ(plan.config, config);
  EXPECT_FALSE(plan.open_files);
  const auto rows = rows_of(plan, "/limits/memory");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].mechanism, Mechanism::kNobody);
  EXPECT_EQ(rows[0].what, "at most 64M of memory and swap together (audit: not held)");
  EXPECT_EQ(rows_of(plan, "/limits/open_files").size(), 1U);
}

TEST(Limits, AreMadeWhereABundleHasNoLinuxPart) {
  ordered_json config = bundle_of("null");
  config.erase("linux");
  const Plan plan = compiled(policy_of(R"({"processes": 5})"), config);
  EXPECT_EQ(plan.config["linux"]["resources"]["pids"]["limit"], 5);
}

// The agent is told by a call that nobody makes so, where the policy asks for nothing else.
TEST(Timeout, HasAnAgentThatIsAskedNothing) {
  const ordered_json config = with_pid_namespace("null");
  const Plan plan = compiled(policy_of(R"({"timeout": "1h30m"})"), config);
  EXPECT_EQ(plan.timeout, std::chrono::seconds(5400));
  EXPECT_EQ(plan.stop_signal, SIGTERM);
  EXPECT_TRUE(plan.supervised());
  EXPECT_THAT(plan.notified, ElementsAre("exit_group"));
  EXPECT_TRUE(plan.residual.empty());
  const auto rows = rows_of(plan, "/limits/timeout");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].what, "stopped when it has been there for 1h30m");
  EXPECT_EQ(rows[0].mechanism, Mechanism::kAgent);
  EXPECT_EQ(rows[0].cost, "none");

  ordered_json image = config;
  image["annotations"]["org.opencontainers.image.stopSignal"] = "SIGQUIT";
  EXPECT_EQ(compiled(policy_of(R"({"timeout": 1})"), image).stop_signal, SIGQUIT);
}

TEST(Timeout, IsNotHeldInAuditMode) {
  const ordered_json config = bundle_of("null");
  const Plan plan = compiled(policy_of(R"({"timeout": 60})", R"(, "mode": "audit")"), config);
  EXPECT_EQ(plan.config, config);
  EXPECT_FALSE(plan.timeout);
  EXPECT_FALSE(plan.supervised());
  const auto rows = rows_of(plan, "/limits/timeout");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].mechanism, Mechanism::kNobody);
}

TEST(Timeout, NeedsAllThatItEnds) {
  const Policy policy = policy_of(R"({"timeout": 60})");
  const std::string reason =
      "/linux/namespaces: the policy's /limits/timeout needs a pid namespace of the container's own, as in "
      "{\"type\": \"pid\"}: what it leaves behind would go on";
  EXPECT_EQ(failure(policy, with_pid_namespace("null")), "compiled");
  EXPECT_EQ(failure(policy, bundle_of("null")), reason);
  ordered_json joined = with_pid_namespace("null");
  joined["linux"]["namespaces"][0]["path"] = "/proc/1/ns/pid";
  EXPECT_EQ(failure(policy, joined), reason);
  ordered_json none = bundle_of("null");
  none["linux"].erase("namespaces");
  EXPECT_EQ(failure(policy, none), reason);
}

TEST(Timeout, RefusesWhatKeepsItsAgentAway) {
  const Policy policy = policy_of(R"({"timeout": 60})");
  ordered_json config = with_pid_namespace("null");
  config["linux"]["seccomp"] = ordered_json::parse(
      R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "exit"], "action": "SCMP_ACT_ALLOW"}]})");
  EXPECT_THAT(failure(policy, config), HasSubstr("the bundle's own seccomp profile refuses `exit_group`"));
  config["linux"]["seccomp"]["syscalls"][0]["names"].push_back("exit_group");
  EXPECT_EQ(failure(policy, config), "compiled");
  config["annotations"]["org.opencontainers.image.stopSignal"] = "soon";
  EXPECT_THAT(failure(policy, config), StartsWith("/annotations/org.opencontainers.image.stopSignal: "));
}

// --- bundles that do not go together with them ------------------------------------------------------

TEST(Limits, RefuseWhatIsNoNumberOfTheBundle) {
  struct Case {
    const char* limits;
    const char* resources;
    const char* message;
  };
  const Case cases[] = {
      {R"({"memory": "64M"})", "[]", "/linux/resources: expected an object, found array"},
      {R"({"memory": "64M"})", R"({"memory": 5})", "/linux/resources/memory: expected an object, found 5"},
      {R"({"memory": "64M"})", R"({"memory": {"limit": "64M"}})",
       R"(/linux/resources/memory/limit: expected a whole number of 64 bits, found "64M")"},
      {R"({"memory": "64M"})", R"({"memory": {"limit": 1e9}})",
       "/linux/resources/memory/limit: expected a whole number of 64 bits, found 1000000000.0"},
      {R"({"memory": "64M"})", R"({"memory": {"limit": 9223372036854775808}})",
       "/linux/resources/memory/limit: expected a whole number of 64 bits, found 9223372036854775808"},
      {R"({"memory": "64M"})", R"({"memory": {"swap": true}})",
       "/linux/resources/memory/swap: expected a whole number of 64 bits, found true"},
      {R"({"processes": 5})", R"({"pids": {"limit": 5.5}})",
       "/linux/resources/pids/limit: expected a whole number of 64 bits, found 5.5"},
      {R"({"cpus": 1})", R"({"cpu": {"period": -1}})",
       "/linux/resources/cpu/period: expected a whole number that is not negative, found -1"},
      // The kernel once took the lower half of a product of it, and more than 2^64 is no number here.
      {R"({"cpus": 1})", R"({"cpu": {"period": 18446744073709552}})",
       "/linux/resources/cpu/period: expected 1000 to 1000000 microseconds, or 0 for the default, found "
       "18446744073709552"},
      {R"({"cpus": 8192})", R"({"cpu": {"period": 18446744073709551615}})",
       "/linux/resources/cpu/period: expected 1000 to 1000000 microseconds, or 0 for the default, found "
       "18446744073709551615"},
      {R"({"cpus": 1})", R"({"cpu": {"period": 999, "quota": 1}})",
       "/linux/resources/cpu/period: expected 1000 to 1000000 microseconds, or 0 for the default, found 999"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(failure(policy_of(one.limits), bundle_of(one.resources)), one.message);
  }
  const Policy files = policy_of(R"({"open_files": 64})");
  EXPECT_EQ(failure(files, bundle_of("null", "{}")), "/process/rlimits: expected an array, found object");
  EXPECT_EQ(failure(files, bundle_of("null", R"([{"type": "RLIMIT_NOFILE", "hard": -1, "soft": 5}])")),
            "/process/rlimits/0/hard: expected a whole number that is not negative, found -1");
  ordered_json no_process = bundle_of("null");
  no_process.erase("process");
  EXPECT_THAT(failure(files, no_process), HasSubstr("/process is missing"));
}

TEST(Limits, RefuseWhatWouldSetAnotherLimitBehindThem) {
  struct Case {
    const char* what;
    const char* limits;
    const char* patch;   // a JSON merge patch of the bundle
    const char* reason;  // empty: it compiles
  };
  const Case cases[] = {
      {"memory.max", R"({"memory": "64M"})", R"({"linux": {"resources": {"unified": {"memory.max": "1"}}}})",
       "/linux/resources/unified/memory.max would replace what the policy's /limits/memory becomes: write it "
       "as "
       "/linux/resources/memory/limit"},
      {"memory.swap.max", R"({"memory": "64M"})",
       R"({"linux": {"resources": {"unified": {"memory.swap.max": "max"}}}})", "unified/memory.swap.max"},
      {"pids.max", R"({"processes": 5})", R"({"linux": {"resources": {"unified": {"pids.max": "max"}}}})",
       "unified/pids.max"},
      {"cpu.max", R"({"cpus": 1})", R"({"linux": {"resources": {"unified": {"cpu.max": "max 100000"}}}})",
       "unified/cpu.max"},
      {"cpu.max.burst", R"({"cpus": 1})", R"({"linux": {"resources": {"unified": {"cpu.max.burst": "1"}}}})",
       "unified/cpu.max.burst"},
      {"a file of another limit", R"({"cpus": 1})",
       R"({"linux": {"resources": {"unified": {"memory.max": "max", "memory.high": "1"}}}})", ""},
      {"a property of systemd", R"({"memory": "64M"})",
       R"({"annotations": {"org.systemd.property.MemoryMax": "uint64 1"}})",
       "the annotation org.systemd.property.MemoryMax would have systemd set another limit"},
      {"its tasks", R"({"processes": 5})",
       R"({"annotations": {"org.systemd.property.TasksMax": "uint64 1"}})", "TasksMax"},
      {"its quota", R"({"cpus": 1})",
       R"({"annotations": {"org.systemd.property.CPUQuotaPerSecUSec": "uint64 1"}})", "CPUQuotaPerSecUSec"},
      {"what it has while the machine starts", R"({"memory": "64M"})",
       R"({"annotations": {"org.systemd.property.StartupMemoryMax": "uint64 1"}})",
       "the annotation org.systemd.property.StartupMemoryMax would have systemd set another limit"},
      {"another property", R"({"cpus": 1})",
       R"({"annotations": {"org.systemd.property.CollectMode": "'x'"}})", ""},
      {"a cgroup above the container's", R"({"cpus": 1})",
       R"({"annotations": {"run.oci.delegate-cgroup": "../../other"}})",
       "the annotation run.oci.delegate-cgroup leads out of the cgroup that holds the policy's /limits"},
      {"its subgroup above the scope", R"({"memory": "64M"})",
       R"({"annotations": {"run.oci.systemd.subgroup": "a/../.."}})",
       "the annotation run.oci.systemd.subgroup leads out of the cgroup"},
      {"cgroups below the container's", R"({"processes": 5})",
       R"({"annotations": {"run.oci.delegate-cgroup": "/init", "run.oci.systemd.subgroup": ""}})", ""},
      {"a cgroup that open files do not mind", R"({"open_files": 64})",
       R"({"annotations": {"run.oci.delegate-cgroup": ".."}})", ""},
      {"a property that open files do not mind", R"({"open_files": 64})",
       R"({"annotations": {"org.systemd.property.MemoryMax": "uint64 1"}})", ""},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    ordered_json config = bundle_of("{}");
    config.merge_patch(ordered_json::parse(one.patch));
    const std::string found = failure(policy_of(one.limits), config);
    if (*one.reason == '\0') {
      EXPECT_EQ(found, "compiled");
    } else {
      EXPECT_THAT(found, HasSubstr(one.reason));
      EXPECT_EQ(failure(policy_of(one.limits, R"(, "mode": "audit")"), config), "compiled");
    }
  }
}

TEST(Limits, RefuseMountsThroughWhichTheyCouldBeChanged) {
  const runtime::Source plain;
  const runtime::Source none{.missing = true, .unseen = {}};
  const runtime::Source cgroup{.unseen = {}, .cgroup = true};        // the one of version 2, or a part of one
  const runtime::Source above{.unseen = {}, .holds_cgroups = true};  // "/", and /sys/fs/cgroup of version 1
  const runtime::Source both{.unseen = {}, .cgroup = true, .holds_cgroups = true};
  const runtime::Source unseen{.unseen = "Permission denied"};
  struct Case {
    const char* mount;
    runtime::Source source;
    const char* message;  // behind "/mounts/1: "; empty: it compiles
  };
  constexpr const char* kThrough =
      "through it the container could write another limit into its cgroup than the policy's /limits: make it "
      "read-only";
  constexpr const char* kRemount = "\"remount\" may make the container's cgroup writable";
  const Case cases[] = {
      {R"({"type": "cgroup", "source": "s", "options": ["ro"]})", plain, ""},
      {R"({"type": "cgroup", "source": "s", "options": ["rprivate"]})", plain, kThrough},
      {R"({"type": "cgroup2", "source": "s"})", plain, kThrough},
      {R"({"type": "cgroup2", "source": "s", "options": ["ro", "rw"]})", plain, kThrough},
      {R"({"type": "cgroup", "source": "s", "options": ["ro", "rrw"]})", plain, kThrough},
      {R"({"type": "cgroup", "source": "s", "options": ["ro", "rbind"]})", above, kThrough},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "rw"]})", cgroup, kThrough},
      {R"({"type": "bind", "source": "s", "options": ["bind", "ro"]})", cgroup, ""},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "ro"]})", cgroup, ""},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "ro"]})", both, kThrough},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "ro", "rrw"]})", cgroup, kThrough},
      {R"({"type": "bind", "source": "s", "options": ["rrw", "bind", "ro"]})", cgroup, kThrough},
      {R"({"source": "s", "options": ["bind"]})", cgroup, kThrough},
      {R"({"type": "bind", "source": "s", "options": ["bind", "rw"]})", above, ""},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "ro"]})", above,
       "through it the container could write another limit into its cgroup than the policy's /limits: make "
       "it "
       "read-only with what is mounted below it (\"rro\"; \"ro\" is not enough)"},
      {R"({"type": "bind", "source": "s", "options": ["bind", "ro", "rprivate"]})", above, kThrough},
      {R"({"type": "bind", "source": "s", "options": ["bind", "rslave"]})", above, kThrough},
      {R"({"type": "none", "source": "s", "options": ["rbind"]})", above, kThrough},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "rro"]})", above, ""},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "rw"]})", plain, ""},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "rw"]})", none, ""},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "ro"]})", unseen,
       "expected a source that can be looked at, since it may show cgroups, or \"rro\", found \"s\": "
       "Permission "
       "denied"},
      {R"({"type": "bind", "source": "s", "options": ["bind", "ro"]})", unseen, ""},
      {R"({"type": "bind", "source": "s", "options": ["rbind", "rro"]})", unseen, ""},
      {R"({"type": "sysfs", "source": "s", "options": ["nosuid"]})", unseen, ""},
      {R"({"type": "tmpfs", "source": "s", "options": ["remount", "bind", "rw"]})", plain, kRemount},
      {R"({"type": "none", "options": ["remount", "ro"]})", plain, kRemount},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.mount);
    ordered_json config = bundle_of("null");
    config["mounts"] = ordered_json::array({ordered_json::object(), ordered_json::parse(one.mount)});
    Surroundings surroundings = Surroundings::of_a_full_machine();
    surroundings.sources["s"] = one.source;
    const std::string found = failure(policy_of(R"({"memory": "64M"})"), config, surroundings);
    if (*one.message == '\0') {
      EXPECT_EQ(found, "compiled");
    } else {
      EXPECT_THAT(found, testing::AnyOf(StartsWith("/mounts/1: " + std::string(one.message)),
                                        StartsWith("/mounts/1/options: " + std::string(one.message))));
    }
    EXPECT_EQ(failure(policy_of(R"({"open_files": 64})"), config, surroundings), "compiled");
  }
}

// There the runtime mounts the container's own cgroup, be it that nothing is there when it is looked at.
TEST(Limits, RefuseABindOfTheContainersOwnRoot) {
  struct Case {
    const char* path;     // of the source
    const char* options;  // of the mount
    bool refused;
  };
  const Case cases[] = {
      {"/srv/box/rootfs/sys/fs/cgroup", R"(["bind"])", true},
      {"/srv/box/rootfs/sys/fs/cgroup", R"(["rbind", "ro"])", true},
      {"/srv/box/rootfs/sys/fs/cgroup", R"(["bind", "ro"])", false},
      {"/srv/box/rootfs/sys/fs/cgroup", R"(["rbind", "rro"])", false},
      {"/srv/box/rootfs", R"(["bind", "nosuid"])", true},
      {"/srv/box", R"(["rbind"])", true},
      {"/srv/box", R"(["bind", "rprivate"])", true},
      {"/srv/box", R"(["rbind", "rro"])", false},
      {"/srv/box", R"(["bind"])", false},
      {"/srv/box/rootfs2", R"(["rbind"])", false},
      {"/srv/box/data", R"(["rbind"])", false},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(std::string(one.path) + one.options);
    ordered_json config = bundle_of("null");
    config["mounts"] = ordered_json::array(
        {{{"type", "bind"}, {"source", "s"}, {"options", ordered_json::parse(one.options)}}});
    Surroundings surroundings = Surroundings::of_a_full_machine();
    surroundings.sources["rootfs"].paths = {"/srv/box/rootfs"};
    surroundings.sources["s"].paths = {"/elsewhere", one.path};
    const std::string found = failure(policy_of(R"({"memory": "64M"})"), config, surroundings);
    if (one.refused) {
      EXPECT_THAT(found, StartsWith("/mounts/0: through it the container could write another limit"));
      EXPECT_THAT(found, HasSubstr("since it leads to the container's own root folder"));
    } else {
      EXPECT_EQ(found, "compiled");
    }
    EXPECT_EQ(failure(policy_of(R"({"open_files": 64})"), config, surroundings), "compiled");
  }
}

TEST(Limits, RefuseABundleThatNobodyLookedAt) {
  ordered_json config = bundle_of("null");
  const auto found = [&](const Surroundings& surroundings) {
    const auto plan = compile(policy_of(R"({"memory": "64M"})"), config, runtime::traits(Kind::kCrun),
                              kListener, surroundings);
    return plan ? "compiled" : plan.error().message();
  };
  EXPECT_THAT(found(Surroundings::of_a_full_machine()),
              StartsWith("/root/path: expected a source that can be"));
  EXPECT_EQ(found(around(config)), "compiled");
  config["mounts"] = ordered_json::parse(R"([{"type": "bind", "source": "/srv"}])");
  Surroundings rootfs_alone = Surroundings::of_a_full_machine();
  rootfs_alone.sources["rootfs"] = {};
  EXPECT_THAT(found(rootfs_alone), StartsWith("/mounts/0: expected a source that can be looked at"));
}

// Runtimes bind the root file system with all that is mounted below it.
TEST(Limits, RefuseARootThatHasCgroups) {
  Surroundings surroundings = Surroundings::of_a_full_machine();
  surroundings.sources["rootfs"].holds_cgroups = true;
  EXPECT_THAT(failure(policy_of(R"({"memory": "64M"})"), bundle_of("null"), surroundings),
              StartsWith("/root/path: through it the container could write another limit"));
}

TEST(Limits, RefuseCapabilitiesThatAreNoPlainName) {
  for (const char* limits : {R"({"open_files": 64})", R"({"cpus": 1})", R"({"memory": "64M"})"}) {
    for (const char* entry : {R"("24")", R"("0x18")", R"("CAP_SYS_RESOURCE=ep")", R"("CAP_SYS_RESOURCE,x")",
                              R"("SYS_RESOURCE")", R"("cap_24")", R"("")", "24", "null"}) {
      ordered_json config = bundle_of("null");
      config["process"]["capabilities"]["bounding"] = {"CAP_KILL", "cap_chown", "CAP_FOWNER"};
      EXPECT_EQ(failure(policy_of(limits), config), "compiled");
      config["process"]["capabilities"]["bounding"].push_back(ordered_json::parse(entry));
      EXPECT_EQ(failure(policy_of(limits), config),
                "/process/capabilities/bounding/3: expected a name such as \"CAP_KILL\", found " +
                    std::string(entry));
    }
  }
}

// By /proc/PID/root of a process whose mounts are others.
TEST(Limits, RefuseCapabilitiesByWhichOtherProcessesLeadToCgroups) {
  struct Case {
    const char* namespaces;
    const char* mounts;
    const char* refused;  // the capabilities
  };
  constexpr const char* kBound = R"([{"destination": "/host", "type": "bind", "source": "/proc"}])";
  const Case cases[] = {
      {R"([{"type": "pid"}])", "[]", ""},
      {R"([])", "[]", "CAP_SYS_PTRACE CAP_SETUID"},
      {R"([{"type": "pid", "path": "/proc/1234/ns/pid"}])", "[]", "CAP_SYS_PTRACE"},
      {R"([{"type": "pid"}])", kBound, "CAP_SYS_PTRACE CAP_SETUID"},
      {R"([{"type": "user"}])", "[]", ""},
      {R"([{"type": "user"}])", kBound, ""},
  };
  for (const Case& one : cases) {
    for (const char* name : {"CAP_SYS_PTRACE", "CAP_SETUID", "CAP_KILL"}) {
      SCOPED_TRACE(std::string(one.namespaces) + one.mounts + name);
      ordered_json config = bundle_of("null");
      config["linux"]["namespaces"] = ordered_json::parse(one.namespaces);
      config["mounts"] = ordered_json::parse(one.mounts);
      config["process"]["capabilities"]["permitted"] = {name};
      const std::string found = failure(policy_of(R"({"processes": 5})"), config);
      if (std::string(one.refused).find(name) == std::string::npos) {
        EXPECT_EQ(found, "compiled");
      } else {
        EXPECT_THAT(found, StartsWith("/process/capabilities: with " + std::string(name)));
        // An ordinary user's root has rights over what that user started.
        Surroundings rootless = Surroundings::of_a_full_machine();
        rootless.initial_root = false;
        EXPECT_EQ(failure(policy_of(R"({"processes": 5})"), config, rootless), found);
      }
      EXPECT_EQ(failure(policy_of(R"({"open_files": 64})"), config), "compiled");
    }
  }
}

TEST(Limits, RefuseRightsByWhichTheyAreRaised) {
  const Policy files = policy_of(R"({"open_files": 64})");
  const Policy cpus = policy_of(R"({"cpus": 1})");
  const Policy memory = policy_of(R"({"memory": "64M"})");
  for (const char* set : {"bounding", "effective", "permitted", "inheritable", "ambient"}) {
    for (const char* name : {"CAP_SYS_RESOURCE", "cap_sys_resource"}) {
      ordered_json config = bundle_of("null");
      config["process"]["capabilities"][set] = {"CAP_KILL", name};
      EXPECT_THAT(failure(files, config), StartsWith("/process/capabilities: with CAP_SYS_RESOURCE")) << set;
      EXPECT_EQ(failure(memory, config), "compiled");
      EXPECT_EQ(failure(cpus, config), "compiled");

      // In a user namespace it is a right over nothing that counts.
      Surroundings rootless = Surroundings::of_a_full_machine();
      rootless.initial_root = false;
      EXPECT_EQ(failure(files, config, rootless), "compiled");
      config["linux"]["namespaces"] = ordered_json::parse(R"([{"type": "user"}])");
      EXPECT_EQ(failure(files, config), "compiled");
    }
  }
  const char* const real_time[] = {
      R"({"capabilities": {"bounding": ["CAP_SYS_NICE"]}})",
      R"({"rlimits": [{"type": "RLIMIT_RTPRIO", "hard": 10, "soft": 0}]})",
      R"({"scheduler": {"policy": "SCHED_FIFO", "priority": 1}})",
      R"({"scheduler": {"policy": "SCHED_DEADLINE"}})",
  };
  for (const char* patch : real_time) {
    ordered_json config = bundle_of("null");
    config["process"].merge_patch(ordered_json::parse(patch));
    EXPECT_THAT(failure(cpus, config), HasSubstr("the policy's /limits/cpus does not hold")) << patch;
    EXPECT_EQ(failure(memory, config), "compiled") << patch;
  }
  for (const char* patch : {R"({"scheduler": {"policy": "SCHED_BATCH"}})",
                            R"({"rlimits": [{"type": "RLIMIT_RTPRIO", "hard": 0, "soft": 0}]})"}) {
    ordered_json config = bundle_of("null");
    config["process"].merge_patch(ordered_json::parse(patch));
    EXPECT_EQ(failure(cpus, config), "compiled") << patch;
  }
}

// Of what the bundle does not say, what is inherited counts.
TEST(Limits, LeaveNoRightToRealTimeThatIsInherited) {
  const auto rlimits = [](const char* limits, const char* own) {
    return compiled(policy_of(limits), bundle_of("null", own)).config["process"]["rlimits"].dump();
  };
  constexpr const char* kNone = R"([{"type":"RLIMIT_RTPRIO","hard":0,"soft":0}])";
  EXPECT_EQ(rlimits(R"({"cpus": 1})", "null"), kNone);
  EXPECT_EQ(rlimits(R"({"cpus": 1})", kNone), kNone);
  EXPECT_EQ(rlimits(R"({"cpus": 1})", R"([{"type": "RLIMIT_CORE", "hard": 1, "soft": 1}])"),
            R"([{"type":"RLIMIT_CORE","hard":1,"soft":1},{"type":"RLIMIT_RTPRIO","hard":0,"soft":0}])");
  EXPECT_EQ(rlimits(R"({"memory": "64M"})", "null"), "null");
  EXPECT_EQ(failure(policy_of(R"({"cpus": 1})"), bundle_of("null", "{}")),
            "/process/rlimits: expected an array, found object");
  EXPECT_TRUE(compiled(policy_of(R"({"cpus": 1})"), bundle_of("null")).shuts_real_time);
  EXPECT_FALSE(compiled(policy_of(R"({"memory": "64M"})"), bundle_of("null")).shuts_real_time);

  Surroundings real_time = Surroundings::of_a_full_machine();
  real_time.real_time = true;
  EXPECT_THAT(failure(policy_of(R"({"cpus": 1})"), bundle_of("null"), real_time),
              StartsWith("/limits/cpus: who starts the container has a real-time scheduling class"));
  EXPECT_EQ(failure(policy_of(R"({"memory": "64M"})"), bundle_of("null"), real_time), "compiled");
}

// What `update` asks for later, in which most is left out.
TEST(HoldResources, LowersWhatIsSpokenOf) {
  struct Case {
    const char* asked;
    const char* held;  // else the error
  };
  const Case cases[] = {
      {"{}", "{}"},
      {R"({"cpu": {"cpus": "0-1"}, "memory": {"reservation": 5}, "pids": {}})",
       R"({"cpu": {"cpus": "0-1"}, "memory": {"reservation": 5}, "pids": {}})"},
      {R"({"pids": {"limit": 3}})", R"({"pids": {"limit": 3}})"},
      {R"({"pids": {"limit": 0}})", R"({"pids": {"limit": 5}})"},
      {R"({"memory": {"limit": 33554432}})", R"({"memory": {"limit": 33554432, "swap": 67108864}})"},
      {R"({"memory": {"swap": -1}})", R"({"memory": {"swap": 67108864, "limit": 67108864}})"},
      {R"({"cpu": {"shares": 2, "quota": 400000}})",
       R"({"cpu": {"shares": 2, "quota": 100000, "period": 100000}})"},
      {R"({"cpu": {"period": 1000}})", R"({"cpu": {"period": 1000, "quota": 1000}})"},
      {R"({"cpu": {"burst": 100000}})", R"({"cpu": {"quota": 100000, "period": 100000}})"},
      {R"({"cpu": {"period": 1}})",
       R"("/cpu/period: expected 1000 to 1000000 microseconds, or 0 for the default, found 1")"},
      {R"({"unified": {"pids.max": "max"}})",
       R"("/unified/pids.max would replace what the policy's /limits/processes becomes: write it as /pids/limit, of which the tighter counts, or leave it out")"},
      {R"({"CPU": {}})",
       R"("/CPU: expected \"cpu\": runc takes the one for the other, whatever their case, and crun does not")"},
      {"5", R"("expected an object, found number")"},
  };
  const Policy policy = policy_of(R"({"memory": "64M", "processes": 5, "cpus": 1})");
  for (const Case& one : cases) {
    ordered_json resources = ordered_json::parse(one.asked);
    const Status held = hold_resources(*policy.limits, resources);
    EXPECT_EQ(held ? resources : ordered_json(held.error().message()), ordered_json::parse(one.held))
        << one.asked;
  }
  ordered_json resources = ordered_json::parse(R"({"pids": {"limit": -1}, "unified": {"cpu.max": "max"}})");
  const ordered_json asked = resources;
  EXPECT_TRUE(hold_resources(*policy_of(R"({"memory": "64M"})").limits, resources));
  EXPECT_EQ(resources, asked);
}

// runc would read the one, and crun the other.
TEST(Limits, RefuseKeysOfAnotherCase) {
  const Policy policy = policy_of(R"({"memory": "64M"})");
  for (const char* place :
       {"/linux/Resources", "/linux/resources/Memory", "/linux/resources/memory/LIMIT",
        "/linux/resources/memory/ſwap", "/linux/resources/pids/Limit", "/linux/resources/cpu/Quota",
        "/process/Rlimits", "/Mounts", "/linux/cgroupspath", "/Root", "/root/Path", "/mounts/0/Type",
        "/mounts/0/Options", "/mounts/0/\u017fource", "/mounts/0/Destination", "/linux/namespaces/0/Type",
        "/linux/namespaces/0/PATH", "/process/scheduler/Policy"}) {
    ordered_json config = bundle_of(R"({"memory": {}, "pids": {}, "cpu": {}})");
    config["mounts"] = ordered_json::array({ordered_json::object()});
    config["linux"]["namespaces"] = ordered_json::array({ordered_json::object()});
    config["process"]["scheduler"] = ordered_json::object();
    config[ordered_json::json_pointer(place)] = 1;
    EXPECT_THAT(failure(policy, config), StartsWith(std::string(place) + ": expected \"")) << place;
  }
}

// --- ways round -------------------------------------------------------------------------------------

// A workload that mounts its own cgroup writes the limit itself.
TEST(Limits, ShutTheWayToTheCgroup) {
  ordered_json own_processes = bundle_of("null");
  own_processes["linux"]["namespaces"] = ordered_json::parse(R"([{"type": "pid"}])");
  const auto names_in = [](const Plan& plan) {
    std::set<std::string> names;
    for (const PlanRow& row : plan.rows) {
      if (row.origin == Origin::kBaseline) names.insert(row.name);
    }
    return names;
  };
  const Plan plan = compiled(policy_of(R"({"memory": "64M"})"), own_processes);
  EXPECT_TRUE(plan.config["linux"].contains("seccomp"));
  EXPECT_FALSE(plan.supervised());
  EXPECT_EQ(plan.dropped_architectures.size(), 2U);
  std::set<std::string> expected{
      "bpf", "clone3", "kexec", "modules", "mounts", "namespaces", "open_by_handle_at", "packet_rings"};
  EXPECT_EQ(names_in(plan), expected);
  EXPECT_FALSE(plan.sees_others);
  EXPECT_FALSE(names_in(compiled(policy_of(R"({"processes": 5})"), own_processes)).contains("packet_rings"));
  // Beside processes of others these would work for the container.
  ordered_json beside_others = own_processes;
  beside_others["linux"]["namespaces"][0]["path"] = "/proc/1234/ns/pid";
  beside_others["mounts"] = ordered_json::parse(R"([{"type": "proc", "destination": "/proc"}])");
  expected.insert({"pidfd_getfd", "proc_writes", "process_vm_writev", "ptrace"});
  const Plan beside = compiled(policy_of(R"({"memory": "64M"})"), beside_others);
  EXPECT_EQ(names_in(beside), expected);
  EXPECT_TRUE(beside.sees_others);
  EXPECT_EQ(beside.config["linux"]["readonlyPaths"], ordered_json({"/proc"}));
  EXPECT_FALSE(
      compiled(policy_of(R"({"open_files": 64})"), bundle_of("null")).config["linux"].contains("seccomp"));
  const Plan back = compiled(
      policy_of(
          R"({"memory": "64M"})",
          R"(, "unsafe_allow": ["clone3", "namespaces", "mounts", "bpf", "kexec", "modules", "open_by_handle_at",
              "packet_rings"])"),
      own_processes);
  EXPECT_FALSE(back.config["linux"].contains("seccomp"));
}

// --- the machine ------------------------------------------------------------------------------------

TEST(CheckMachine, RefusesLimitsThatNoCgroupWouldHold) {
  struct Case {
    const char* what;
    const char* limits;
    Surroundings found;
    Kind kind = Kind::kCrun;
    bool names_cgroup = true;
    const char* reason = "";  // empty: held
  };
  const Surroundings everything = Surroundings::of_a_full_machine();
  Surroundings none = everything;
  none.cgroups = Cgroups::kNone;
  none.controllers.clear();
  Surroundings told = everything;
  told.makes_no_cgroup = true;
  Surroundings version_1 = everything;
  version_1.cgroups = Cgroups::kV1;
  Surroundings user = everything;
  user.initial_root = false;
  Surroundings user_1 = version_1;
  user_1.initial_root = false;
  Surroundings no_memory = everything;
  no_memory.controllers.erase("memory");
  Surroundings withheld = user;
  withheld.controllers.erase("cpu");
  withheld.withheld = {"cpu", "cpuset"};
  Surroundings no_swap = everything;
  no_swap.counts_swap = false;

  const char* const kMemory = R"({"memory": "64M"})";
  const char* const kAll = R"({"memory": "64M", "processes": 5, "cpus": 1, "open_files": 64})";
  const char* const kFiles = R"({"open_files": 64})";
  const Case cases[] = {
      {"everything", kAll, everything},
      {"version 1", kAll, version_1},
      {"no cgroup by name, as root", kAll, everything, Kind::kCrun, false},
      {"told to make none", kAll, told, Kind::kCrun, true,
       "/limits/memory, /limits/processes, /limits/cpus: no cgroup would hold it: the runtime is told to "
       "make none"},
      {"which open files do not mind", kFiles, told},
      {"none", kMemory, none, Kind::kCrun, true, "/limits/memory: no cgroup would hold it: there are none"},
      {"which open files do not mind either", kFiles, none},
      {"a user", kAll, user},
      {"a user of version 1", kAll, user_1, Kind::kRunc, true, "systemd.unified_cgroup_hierarchy=1"},
      {"a user whose bundle names no cgroup", kMemory, user, Kind::kCrun, false,
       "an ordinary user's crun does without where the bundle names none"},
      {"a user of runc, which fails by itself", kMemory, user, Kind::kRunc, false},
      {"a user of who knows what", kMemory, user, Kind::kUnknown, false, "/linux/cgroupsPath"},
      {"no such controller", kAll, no_memory, Kind::kCrun, true,
       "/limits/memory: no cgroup would hold it: the machine lacks its controller"},
      {"a controller that is not delegated", kAll, withheld, Kind::kCrun, true,
       "/limits/cpus: no cgroup would hold it: the machine has its controller, but does not delegate it to "
       "you"},
      {"nobody looked", kMemory, Surroundings(), Kind::kCrun, true, "there are none"},
      {"no such controller, which others do not mind", R"({"processes": 5})", no_memory},
      {"swap is not counted", kAll, no_swap, Kind::kRunc, true,
       "/limits/memory: no cgroup would hold it: the kernel"},
      {"swap is not counted, which others do not mind", R"({"processes": 5})", no_swap},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    ordered_json config = bundle_of("null");
    if (!one.names_cgroup) config["linux"].erase("cgroupsPath");
    const auto found = [&](const char* more) {
      const Status held =
          check_machine(policy_of(one.limits, more), config, runtime::traits(one.kind), one.found);
      return held ? "held" : held.error().message();
    };
    if (*one.reason == '\0') {
      EXPECT_EQ(found(""), "held");
    } else {
      EXPECT_THAT(found(""), HasSubstr(one.reason));
      EXPECT_THAT(found(""), Not(HasSubstr("open_files")));
      EXPECT_EQ(found(R"(, "mode": "audit")"), "held");
    }
  }
}

}  // namespace
}  // namespace tidewaiter::policy
