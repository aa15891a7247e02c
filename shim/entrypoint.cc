#include "shim/entrypoint.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "oci/base/system.h"
#include "oci/policy/decide.h"
#include "oci/policy/wording.h"

namespace tidewaiter::shim {
namespace {

using nlohmann::ordered_json;

// What the runtimes search when the environment says nothing (execvp(3)).
constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string text_at(const ordered_json& config, const char* pointer) {
  const ordered_json::json_pointer place(pointer);
  if (!config.contains(place) || !config.at(place).is_string()) return {};
  return config.at(place).get<std::string>();
}

std::vector<std::string> texts_at(const ordered_json& config, const char* pointer) {
  std::vector<std::string> texts;
  const ordered_json::json_pointer place(pointer);
  if (!config.contains(place) || !config.at(place).is_array()) return texts;
  for (const ordered_json& text : config.at(place)) {
    if (text.is_string()) texts.push_back(text.get<std::string>());
  }
  return texts;
}

// The canonical path, as the container will see it, of a program in its root file system.
std::optional<std::string> find_below(int root, const std::string& root_path, const std::string& path) {
  const auto file = sys::openat2(root, path, O_PATH, RESOLVE_IN_ROOT);
  if (!file) return std::nullopt;
  const auto status = sys::fstat(file->get());
  if (!status || !S_ISREG(status->st_mode) || (status->st_mode & 0111) == 0) return std::nullopt;
  const auto link = sys::readlink("/proc/self/fd/" + std::to_string(file->get()));
  if (!link || !link->starts_with(root_path + "/")) return std::nullopt;
  return link->substr(root_path.size());
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

// Whether a mount will lie over `path`, or over what leads to it.
bool is_below_mount(const ordered_json& config, const std::string& path) {
  const ordered_json::json_pointer place("/mounts");
  if (!config.contains(place) || !config.at(place).is_array()) return false;
  // One without a destination is a mistake that the runtime will tell of; until then it may be anywhere.
  return std::any_of(config.at(place).begin(), config.at(place).end(), [&](const ordered_json& mount) {
    std::string destination = text_at(mount, "/destination");
    while (destination.ends_with('/')) destination.pop_back();
    return path.starts_with(destination + "/") || path == destination;
  });
}

}  // namespace

Status check_entrypoint(const policy::Policy& policy, const container::Bundle& bundle,
                        const ordered_json& config) {
  const std::vector<std::string> argv = texts_at(config, "/process/args");
  if (!policy::supervises(policy, policy::Operation::kExec) || policy.mode == policy::Mode::kAudit ||
      argv.empty()) {
    return {};
  }
  std::string folder = text_at(config, "/root/path");
  if (!folder.starts_with('/')) {
    folder = bundle.config_path().substr(0, bundle.config_path().rfind('/') + 1) + folder;
  }
  const auto root_path = sys::realpath(folder);
  if (!root_path) return {};
  const auto root = sys::open(*root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (!root) return {};
  for (const std::string& candidate : candidates(config, argv[0])) {
    if (is_below_mount(config, candidate)) return {};
    const auto path = find_below(root->get(), *root_path, candidate);
    if (!path) continue;
    if (is_below_mount(config, *path)) return {};
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
