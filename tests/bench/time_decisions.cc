// Google Benchmark of what needs no container: a decision, its event, and what `create` computes. What each
// costs in a real container is integration/bench's to say; this one says where it goes, and how it grows with
// the policy.
//
//   build/bench/time_decisions [--benchmark_filter=REGEX]

#include <benchmark/benchmark.h>
#include <linux/audit.h>
#include <sys/syscall.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "oci/policy/compile.h"
#include "oci/policy/decide.h"
#include "oci/policy/destination_index.h"
#include "oci/policy/load.h"
#include "oci/runtime/runtime_traits.h"
#include "oci/runtime/surroundings.h"
#include "oci/seccomp/bpf.h"
#include "oci/seccomp/profile.h"
#include "supervisor/report/event.h"

namespace tidewaiter {
namespace {

using nlohmann::ordered_json;

// A benchmark of something that has failed says nothing.
template <typename T, typename E>
T need(tl::expected<T, E> result, const char* what) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "time_decisions: %s failed\n", what);
  std::exit(1);
}

policy::Policy policy_of(const ordered_json& document) {
  return need(policy::parse(document.dump(), "bench.json", "bench"), "the policy");
}

// `count` networks of 256 addresses each, none of which is 127.0.0.0/8, and loopback last.
ordered_json network_document(std::int64_t count) {
  ordered_json allow = ordered_json::array();
  for (std::int64_t i = 0; i < count; ++i) {
    allow.push_back("tcp://10." + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256) +
                    ".0/24:443");
  }
  allow.push_back("tcp://127.0.0.1:8080");
  return {{"version", 1}, {"network", {{"allow", allow}}}};
}

ordered_json syscalls_document(std::int64_t count) {
  ordered_json rules = ordered_json::array();
  for (std::int64_t i = 0; i < count; ++i) {
    rules.push_back({{"names", {"personality"}},
                     {"args", {{{"index", 0}, {"op", "eq"}, {"value", 1000 + i}}}},
                     {"action", "errno"}});
  }
  return {{"version", 1}, {"syscalls", rules}};
}

ordered_json exec_document(std::int64_t count) {
  ordered_json allow = ordered_json::array();
  for (std::int64_t i = 0; i < count; ++i) allow.push_back("/opt/tools/" + std::to_string(i) + "/bin/*");
  allow.push_back({{"path", "/usr/bin/git"}, {"argv", {"git", "clone", "*"}}});
  return {{"version", 1}, {"exec", {{"allow", allow}}}};
}

policy::Endpoint loopback() {
  policy::Endpoint endpoint;
  endpoint.address.bytes = {127, 0, 0, 1};
  endpoint.port = 8080;
  return endpoint;
}

ordered_json podman_bundle() {
  std::ifstream file(TIDEWAITER_FIXTURES "/podman_seccomp.json");
  ordered_json config = {{"ociVersion", "1.0.2"},
                         {"process", {{"args", {"sh"}}, {"noNewPrivileges", true}}},
                         {"root", {{"path", "rootfs"}}},
                         {"linux", {{"namespaces", {{{"type", "pid"}}, {{"type", "mount"}}}}}}};
  config["mounts"] = ordered_json::array({{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}}});
  config["linux"]["seccomp"] = ordered_json::parse(file);
  return config;
}

// --- deciding, once for each call -------------------------------------------------------------------------

void connect_by_networks(benchmark::State& state) {
  const policy::Policy policy = policy_of(network_document(state.range(0)));
  const policy::DestinationIndex index(policy, {});
  const policy::Endpoint destination = loopback();
  for (auto _ : state) benchmark::DoNotOptimize(policy::decide_connect(policy, index, destination));
}
BENCHMARK(connect_by_networks)->Arg(1)->Arg(100)->Arg(10'000);

void syscall_by_rules(benchmark::State& state) {
  const policy::Policy policy = policy_of(syscalls_document(state.range(0)));
  std::vector<std::uint32_t> naming(policy.syscalls.size());
  std::iota(naming.begin(), naming.end(), 0U);
  const auto by_value = policy::RulesByValue::make(policy.syscalls, naming);
  const policy::CallRules rules{naming, by_value ? &*by_value : nullptr};
  const std::uint64_t arguments[6] = {7, 0, 0, 0, 0, 0};
  for (auto _ : state) benchmark::DoNotOptimize(policy::decide_syscall(policy, rules, arguments));
}
BENCHMARK(syscall_by_rules)->Arg(1)->Arg(100)->Arg(1'000);

void exec_by_globs(benchmark::State& state) {
  const policy::Policy policy = policy_of(exec_document(state.range(0)));
  const std::vector<policy::Execution> programs = {
      {"/usr/bin/git", {"git", "clone", "https://example.org/repository"}}};
  for (auto _ : state) benchmark::DoNotOptimize(policy::decide_exec(policy, programs));
}
BENCHMARK(exec_by_globs)->Arg(1)->Arg(100)->Arg(1'000);

void event_to_text(benchmark::State& state) {
  supervisor::Event event;
  event.container = "2c7f3a1d5e8b";
  event.policy = "bench";
  event.rule = "/network/allow/0";
  event.syscall = "connect";
  event.category = policy::Category::kNetwork;
  event.tid = 4711;
  event.identity = {.pid = 4711, .parent_pid = 4700, .executable = "/usr/bin/curl"};
  event.endpoint = loopback();
  event.verdict = supervisor::EventVerdict::kAllowed;
  for (auto _ : state) benchmark::DoNotOptimize(supervisor::to_json_line(event));
}
BENCHMARK(event_to_text);

// The bundle's own profile, which the agent evaluates for the calls where both have a say.
void own_profile(benchmark::State& state) {
  const auto profile =
      need(seccomp::parse_profile(podman_bundle().at("linux").at("seccomp")), "podman's profile");
  const seccomp::BpfProgram program = need(seccomp::compile(profile), "podman's filter");
  struct seccomp_data call {};
  call.nr = SYS_connect;
  call.arch = AUDIT_ARCH_X86_64;
  for (auto _ : state) benchmark::DoNotOptimize(seccomp::evaluate(program, call));
}
BENCHMARK(own_profile);

// --- once for each container ------------------------------------------------------------------------------

void parse(benchmark::State& state) {
  const std::string text = network_document(state.range(0)).dump();
  for (auto _ : state) benchmark::DoNotOptimize(policy::parse(text, "bench.json", "bench"));
}
BENCHMARK(parse)->Arg(1)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void index_networks(benchmark::State& state) {
  const policy::Policy policy = policy_of(network_document(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(policy::DestinationIndex(policy, {}));
}
BENCHMARK(index_networks)->Arg(1)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

// With the baseline, podman's profile, and the proof of the filter law: what `create` does.
void compile(benchmark::State& state) {
  ordered_json document = network_document(1);
  document["exec"] = exec_document(1).at("exec");
  const policy::Policy policy = policy_of(document);
  const ordered_json bundle = podman_bundle();
  const auto& runtime = runtime::traits(runtime::Kind::kCrun);
  const policy::Listener listener = {"/run/tidewaiter/box/agent.sock", "box", "/run/tidewaiter/box/hosts"};
  const auto surroundings = runtime::Surroundings::of_a_full_machine();
  const auto run = [&] { return policy::compile(policy, bundle, runtime, listener, surroundings); };
  if (!run()) {
    state.SkipWithError("the policy and the bundle do not go together");
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(run());
}
BENCHMARK(compile)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidewaiter

BENCHMARK_MAIN();
