#include "oci/launch/applied_policy.h"

#include <cerrno>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "oci/spec/hosts_mount.h"

namespace tidewaiter::launch {

Result<policy::PolicyFile> read_policy(const std::string& path) {
  auto file = policy::load_file(path);
  if (!file && file.error().code == ENOENT) return fail("there is no policy file " + path);
  return file;
}

container::Record record_of(const policy::PolicyFile& file, const policy::Plan& plan,
                            const nlohmann::ordered_json& original, const std::string& bundle,
                            const container::Directories& directories, const container::Settings& settings) {
  container::Record record;
  record.policy_name = file.policy.name;
  record.policy_text = file.text;
  const nlohmann::ordered_json::json_pointer seccomp("/linux/seccomp");
  if (original.contains(seccomp)) record.own_seccomp = original.at(seccomp);
  record.agent = plan.supervised();
  record.open_files = plan.open_files;
  if (plan.timeout) {
    record.timeout = static_cast<std::uint64_t>(plan.timeout->count());
    record.stop_signal = static_cast<std::uint64_t>(plan.stop_signal);
    record.stop_grace = static_cast<std::uint64_t>(policy::Limits::kStopGrace.count());
  }
  record.shuts_real_time = plan.shuts_real_time;
  record.sees_others = plan.sees_others;
  record.snapshots = plan.snapshots;
  record.bounds_memory = plan.bounds_memory;
  record.processors = plan.processors;
  record.holds_process = plan.holds_process;
  record.init = plan.init;
  record.residual.assign(plan.residual.begin(), plan.residual.end());
  record.exempts_start = plan.exempts_start;
  record.told_of_execs = plan.told_of_execs;
  if (plan.hosts) record.hosts = spec::in_bundle(*plan.hosts, bundle);
  record.pinned_hosts = plan.pinned_hosts;
  record.log_directory = directories.log;
  record.log_max_bytes = settings.log_max_bytes;
  record.log_total_bytes = settings.log_total_bytes;
  record.restart_seconds = settings.restart_seconds;
  return record;
}

}  // namespace tidewaiter::launch
