#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/container/directories.h"

namespace tidewaiter::container {

// How long calls wait for an agent's worker that cannot be started, before they are refused.
inline constexpr std::uint64_t kRestartSeconds = 60;

// The configuration file (docs/operations.md). A missing file means the defaults; an unknown key or wrong
// type is an error.
struct Settings {
  std::string path;     // where it was looked for
  std::string runtime;  // "runtime": absolute path; empty: crun, then runc, on PATH
  std::string agent;    // "agent": absolute path; empty: beside our own executable
  std::string
      agent_socket;  // "agent_socket": absolute path of the node agent's; empty: each container has its own
  std::optional<std::string> default_policy;  // "default_policy": for containers that name none
  bool require_policy = false;                // "require_policy": a container without one is refused
  bool allow_policy_paths = false;            // "allow_policy_paths": the annotation may be an absolute path
  // "allowed_policies": which an annotation may name, for engines take annotations from images; absent: any.
  std::optional<std::vector<std::string>> allowed_policies;
  std::uint64_t log_max_bytes = 16U << 20U;         // "log": {"max_bytes": …}: of one container's event log
  std::uint64_t log_total_bytes = 1U << 30U;        // "log": {"total_bytes": …}: of all logs together
  std::uint64_t restart_seconds = kRestartSeconds;  // "restart_seconds"
  std::string changes_folder;  // "changes_folder": absolute path; empty: Directories::changes

  // The defaults where there is no such file, unless it `must_exist`.
  static Result<Settings> load(const std::string& path, bool must_exist = false);
};

inline constexpr const char* kPolicyAnnotation = "io.tidewaiter.policy";

// `changes_folder`, else Directories::changes; an error where neither is known.
Result<std::string> changes_folder(const Settings& settings, const Directories& directories);

// "true": what the container writes to folders that are copied on write is listed at its end, and discarded.
inline constexpr const char* kDryRunAnnotation = "io.tidewaiter.dry-run";

// Whether the bundle asks for that; an annotation with another value than "true" or "false" is an error.
Result<bool> is_dry_run(const nlohmann::ordered_json& config);

// The policy file that applies to a bundle: named by its annotation, else the default; nullopt when none
// applies and none is required.
Result<std::optional<std::string>> policy_path(const Settings& settings,
                                               const nlohmann::ordered_json& config);

}  // namespace tidewaiter::container
