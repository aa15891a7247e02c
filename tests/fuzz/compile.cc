#include "oci/policy/compile.h"

#include <array>
#include <cstdlib>
#include <iostream>
#include <string>

#include "oci/policy/explain.h"
#include "oci/policy/load.h"
#include "oci/seccomp/bpf.h"
#include "oci/spec/config.h"
#include "oci/spec/mounts.h"
#include "tests/fuzz/fuzz.h"

// Policies of all kinds, compiled into whatever config.json there is. The first letter says which policy, and
// for which runtime; the config follows.

namespace tidewaiter::policy {
namespace {

using spec::Json;

Policy policy_of(const char* text) {
  auto parsed = parse(text, "policy.json", "policy");
  if (!parsed) {
    std::cerr << parsed.error().front().message << '\n';
    std::abort();
  }
  return *std::move(parsed);
}

const std::array<Policy, 7>& policies() {
  static const std::array<Policy, 7> made{
      policy_of(R"({"version": 1})"),
      policy_of(R"({"version": 1, "syscalls": [{"names": ["ptrace", "clone3"], "action": "errno"},
          {"names": ["personality"], "args": [{"index": 0, "op": "masked_eq", "mask": 255, "value": 8}],
           "action": "log"},
          {"names": ["prctl"], "args": [{"index": 0, "op": "eq", "value": 4}], "action": "kill"}]})"),
      policy_of(R"({"version": 1, "network": {"allow": ["example.com:443", "unix:/run/a"],
          "deny": ["169.254.169.254"], "bind": ["8080"]}})"),
      policy_of(R"({"version": 1, "exec": {"allow": ["/bin/**"]}, "events": {"log": []}})"),
      policy_of(R"({"version": 1, "mode": "audit", "network": {"bind": []}, "exec": {"deny": ["/bin/sh"]},
          "syscalls": [{"names": ["mount"], "action": "errno"}]})"),
      policy_of(
          R"({"version": 1, "limits": {"memory": "64M", "processes": 10, "cpus": 0.5, "open_files": 64}})"),
      policy_of(R"({"version": 1, "files": {"read": ["/usr"], "write": ["/tmp"], "exec": []},
          "network": {"allow": ["example.com:443"]}})"),
  };
  return made;
}

const Listener kListener{"/run/tidewaiter/box/agent.sock", "box", "/run/tidewaiter/box/hosts",
                         "/usr/bin/tidewaiter-init", 7};

// All that a plan does not concern.
Json rest_of(Json config, const Plan& plan) {
  if (plan.hosts || !plan.init.empty()) config.erase("mounts");
  if (!plan.init.empty()) {
    const auto process = config.find("process");
    if (process != config.end() && process->is_object()) process->erase("args");
  }
  if (plan.open_files) {
    const auto process = config.find("process");
    if (process != config.end() && process->is_object()) process->erase("rlimits");
  }
  const auto linux_part = config.find("linux");
  if (linux_part == config.end() || linux_part->is_null()) {
    config.erase("linux");
  } else if (linux_part->is_object()) {
    linux_part->erase("seccomp");
    linux_part->erase("readonlyPaths");  // of procfs
    if (plan.open_files) linux_part->erase("resources");
    if (linux_part->empty()) config.erase("linux");
  }
  return config;
}

void check_plan(const Plan& plan, const Json& config) {
  const auto again = spec::parse_json(spec::dump_json(plan.config), "rewritten");
  MUST(again && *again == plan.config);
  MUST(rest_of(plan.config, plan) == rest_of(config, plan));
  for (const std::string& name : plan.residual) MUST(plan.notified.contains(name));
  for (const PlanRow& row : plan.rows) MUST(!row.what.empty() && !row.cost.empty());
  const PlanOrigin origin{"policy", Mode::kEnforce, "/bundle", "crun"};
  static_cast<void>(explain_text(plan, origin));
  MUST(explain_json(plan, origin).at("supervised") == plan.supervised());
  if (!plan.init.empty()) {
    const Json& mount = plan.config.at("mounts").back();
    MUST(mount.at("source") == kListener.init_program && mount.at("destination") == plan.init.front());
    const Json::json_pointer args("/process/args");
    if (plan.config.contains(args) && plan.config.at(args).is_array() && !plan.config.at(args).empty()) {
      MUST(plan.config.at(args).size() > plan.init.size());
      for (std::size_t i = 0; i < plan.init.size(); ++i) MUST(plan.config.at(args)[i] == plan.init[i]);
    }
  }
  if (!plan.supervised()) return;
  const Json& seccomp = plan.config.at("linux").at("seccomp");
  MUST(seccomp.at("listenerPath") == kListener.path);
  // The runtime can, too.
  const auto profile = seccomp::parse_profile(seccomp);
  MUST(profile && seccomp::compile(*profile));
}

void check(fuzz::Input input) {
  const auto choice = input.take<std::uint8_t>();
  const Policy& policy = policies()[choice / 2 % policies().size()];
  const auto& traits = runtime::traits(choice % 2 == 0 ? runtime::Kind::kCrun : runtime::Kind::kRunc);
  const auto config = spec::parse_json(input.rest(), "config.json");
  if (!config) return fuzz::note(false);
  // Where everything that it binds is there, and shows no cgroup.
  auto around = runtime::Surroundings::of_a_full_machine();
  for (const std::string& source : spec::bind_sources(*config)) around.sources.try_emplace(source);
  const auto plan = compile(policy, *config, traits, kListener, around);
  fuzz::note(plan.has_value());
  if (!plan) {
    MUST(!plan.error().message().empty());
    return;
  }
  check_plan(*plan, *config);
}

}  // namespace
}  // namespace tidewaiter::policy

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::policy::check(tidewaiter::fuzz::Input(data, size));
  return 0;
}
