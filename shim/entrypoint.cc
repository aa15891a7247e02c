#include "shim/entrypoint.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/policy/decide.h"
#include "oci/policy/wording.h"
#include "shim/container_root.h"

namespace tidewaiter::shim {
namespace {

using nlohmann::ordered_json;

// What the runtimes search when the environment says nothing (execvp(3)).
constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The canonical path, as the container will see it, of a program in its root file system.
std::optional<std::string> find_program(const ContainerRoot& root, const std::string& path) {
  auto found = root.find(path);
  if (!found || !S_ISREG(found->mode) || (found->mode & 0111) == 0) return std::nullopt;
  return std::move(found->path);
}

std::vector<std::string> candidates(const ordered_json& config, const std::string& program) {
  if (program.starts_with('/')) return {program};
  if (program.find('/') != std::string::npos) return {text_at(config, "/process/cwd") + "/" + program};
  std::string search(kDefaultPath);
  for (const std::string& variable : texts_at(config, "/process/env")) {
    if (variable.starts_with("PATH=")) search = variable.substr(5);
  }
  std::vector<std::string> paths;
  for (std::size_t start = 0; start <= search.size();) {
    const std::size_t end = std::min(search.find(':', start), search.size());
    paths.push_back(search.substr(start, end - start) + "/" + program);
    start = end + 1;
  }
  return paths;
}

}  // namespace

Status check_entrypoint(const policy::Policy& policy, const container::Bundle& bundle,
                        const ordered_json& config) {
  // The runtime's begin with tidewaiter-init's, under file rules.
  const std::vector<std::string> argv = texts_at(bundle.original(), "/process/args");
  if (!policy::supervises(policy, policy::Operation::kExec) || policy.mode == policy::Mode::kAudit ||
      argv.empty()) {
    return {};
  }
  const auto root = ContainerRoot::open(config, bundle.config_path());
  if (!root) return {};
  for (const std::string& candidate : candidates(config, argv[0])) {
    if (root->is_below_mount(candidate)) return {};
    const auto path = find_program(*root, candidate);
    if (!path) continue;
    if (root->is_below_mount(*path)) return {};
    // Of a script this is only the half; what refuses it refuses the whole.
    const policy::Execution program{*path, {argv.begin(), argv.end()}};
    const policy::Decision decision = policy::decide_exec(policy, std::span(&program, 1));
    if (decision.verdict == policy::Verdict::kAllow) return {};
    return fail("/process/args: the policy " + policy.name + " does not let the container run " +
                policy::quote(*path) + " (" + std::string(decision.rule) +
                "); allow it, with these arguments, or run another program");
  }
  return {};
}

}  // namespace tidewaiter::shim
