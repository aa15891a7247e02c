#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "oci/base/system.h"
#include "oci/container/record.h"
#include "oci/policy/check_limits.h"
#include "oci/policy/compile_limits.h"
#include "oci/policy/cpu_list.h"
#include "oci/spec/config.h"
#include "shim/command_tables.h"
#include "shim/commands/commands.h"
#include "shim/failure.h"
#include "shim/inherited_file.h"
#include "shim/runtime.h"
#include "shim/supervised.h"

// `update`: the runtime writes new limits into the container's cgroup. Those of its policy stay: what a file
// asks for is lowered to them. Kubernetes' kubelet has containerd send the whole of its own spec again, which
// does not know of them.

namespace tidewaiter::shim {
namespace {

constexpr std::size_t kMaxResources = 16U << 20U;

// An option that sets what a policy may limit.
struct Setting {
  std::string_view option;
  policy::HasLimit has;
  std::string_view pointer;
};
constexpr Setting kSettings[] = {
    {"--cpu-burst", policy::kHas<&policy::Limits::cpu_time>, "/limits/cpus"},
    {"--cpu-period", policy::kHas<&policy::Limits::cpu_time>, "/limits/cpus"},
    {"--cpu-quota", policy::kHas<&policy::Limits::cpu_time>, "/limits/cpus"},
    {"--cpuset-cpus", policy::kHas<&policy::Limits::processors>, "/identity/cpus"},
    {"--memory", policy::kHas<&policy::Limits::memory>, "/limits/memory"},
    {"--memory-swap", policy::kHas<&policy::Limits::memory>, "/limits/memory"},
    {"--pids-limit", policy::kHas<&policy::Limits::processes>, "/limits/processes"},
};

// Values of options are not changed: runtimes differ in the units they take.
Status check_option(const policy::Limits& limits, const std::string& written) {
  // To runc one dash is as good as two.
  const std::string option = written.starts_with("--") ? written : "-" + written;
  for (const Setting& setting : kSettings) {
    if (option != setting.option || !setting.has(limits)) continue;
    return fail(
        written + ": sets what the policy's " + std::string(setting.pointer) +
        " limits: write it to a file as in linux.resources, of which the tighter counts, and name that by "
        "--resources");
  }
  const bool letter = written == "-h" || written.starts_with("-r") || option == "--r" || option == "--h";
  const bool known = std::any_of(std::begin(kUpdateOptions), std::end(kUpdateOptions),
                                 [&](const Option& one) { return option.substr(2) == one.name; });
  if (letter || known) return {};
  return fail(written +
              ": expected an option of `update` that is known here, in full, since it may set what the "
              "policy limits");
}

Result<std::string> held_resources(const policy::Limits& limits, const std::string& path) {
  const std::string text =
      TRY(in_context("--resources", path == "-" ? sys::read_all(STDIN_FILENO, kMaxResources)
                                                : sys::read_file(path, kMaxResources)));
  spec::Json resources = TRY(spec::parse_json(text, path));
  TRY(in_context(path, policy::hold_resources(limits, resources)));
  return inherited_file(spec::dump_json(resources, -1));
}

// The runtime's command line; `word` keeps what is new in it.
Result<CommandLine> prepare(const Invocation& invocation, const ContainerOptions& options,
                            std::string& word) {
  CommandLine line = invocation.line;
  const auto state_folder = invocation.state_folder(options.id);
  // An id that cannot be ours is the runtime's to refuse.
  if (!state_folder || !sys::stat(*state_folder)) return line;
  const container::Record record = TRY(container::read_record(*state_folder));
  policy::Policy policy = TRY(recorded_policy(record));
  if (!policy::holds_limits(policy) || !policy.limits->needs_cgroup()) return line;
  if (policy.limits->processors)
    policy.limits->processors =
        policy::Processors{.count = 0, .these = TRY(policy::parse_cpu_list(record.processors))};
  for (const std::string& option : options.given) TRY(check_option(*policy.limits, option));
  if (!options.resources) return line;
  char*& argument = line.argv[options.resources->argument];
  const std::string path = argument + options.resources->offset;
  word = std::string(argument, options.resources->offset) + TRY(held_resources(*policy.limits, path));
  argument = word.data();
  return line;
}

}  // namespace

int update(const Invocation& invocation) {
  const ContainerOptions options = read_container_options(invocation.line, invocation.spelling());
  std::string word;
  Result<CommandLine> line = invocation.line;
  if (!options.id.empty()) line = prepare(invocation, options, word);
  report_failure(invocation.line, options.id,
                 line ? become_runtime(invocation.runtime, *line) : line.error());
  return EXIT_FAILURE;
}

}  // namespace tidewaiter::shim
