#include <cstdlib>
#include <string>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/record.h"
#include "oci/policy/check_limits.h"
#include "shim/commands/commands.h"
#include "shim/executed.h"
#include "shim/failure.h"
#include "shim/init_place.h"
#include "shim/runtime.h"
#include "shim/supervised.h"

// `exec`: the runtime loads the container's filter into the new process by itself, and hands its descriptor
// to the agent, which therefore has to be there. Of the container's limits its cgroup holds the new process,
// and nothing else; nor does anything but its own description say who it is; and of its file rules it has
// none, until tidewaiter-init goes before it as it went before the container's own.

namespace tidewaiter::shim {
namespace {

// As runc has it, so that a failure is not taken for the program's own.
constexpr int kExecFailed = 255;

// Options can name another cgroup than the container's own.
Status check_cgroups(const container::Record& record, const ContainerOptions& options) {
  if (options.cgroups.empty()) return {};
  const policy::Policy policy = TRY(recorded_policy(record));
  if (!policy::holds_limits(policy)) return {};
  for (const std::string& cgroup : options.cgroups)
    TRY(policy::check_executed_cgroup(*policy.limits, cgroup));
  return {};
}

// Whether a process has to be held to what the runtime knows nothing of.
bool holds_processes(const container::Record& record) {
  return record.open_files || record.shuts_real_time || record.holds_process || !record.init.empty();
}

// Where an option is unknown, its value may have been taken for the id. Nothing is executed then in a
// container that an argument names and whose policy holds each process.
Status refuse_guess(const Invocation& invocation) {
  for (std::size_t i = invocation.line.command_index + 1;
       i < static_cast<std::size_t>(invocation.line.argc()); ++i) {
    const auto folder = invocation.state_folder(invocation.line.argv[i]);
    if (!folder || !sys::stat(*folder)) continue;
    if (!holds_processes(TRY(container::read_record(*folder)))) continue;
    return fail(
        "an option of this `exec` is not known here, so where the program begins is not either, and " +
        std::string(invocation.line.argv[i]) + " has limits, file rules or an identity that hold for it");
  }
  return {};
}

// What the runtime would execute in front of the program has to be what was bound there.
Status check_init(const Invocation& invocation, const container::Record& record) {
  if (!record.init_file) return fail("/init_file: is missing in the record of " + record.id);
  const pid_t pid = TRY(container_pid(invocation.runtime, invocation.line, record.id));
  return check_init_bound(pid, record.init.front(), *record.init_file);
}

Status prepare(const Invocation& invocation, const ContainerOptions& options, ExecutedLine& line) {
  if (options.has_unknown) TRY(refuse_guess(invocation));
  const auto state_folder = invocation.state_folder(options.id);
  // An id that cannot be ours is the runtime's to refuse.
  if (!state_folder || !sys::stat(*state_folder)) return {};
  TRY(refuse_bypass(invocation));
  const container::Record record = TRY(container::read_record(*state_folder));
  TRY(check_cgroups(record, options));
  if (!record.init.empty()) TRY(check_init(invocation, record));
  if (holds_processes(record)) TRY(line.hold(invocation, options, record));
  if (!record.agent) return {};
  const auto agent =
      TRY(container::AgentSource::configured(invocation.settings.agent, invocation.settings.agent_socket));
  return container::ensure_agent(agent, *state_folder);
}

}  // namespace

int exec(const Invocation& invocation) {
  const ContainerOptions options = read_container_options(invocation.line, invocation.spelling());
  ExecutedLine line(invocation.line);
  Status prepared;
  if (!options.id.empty()) prepared = prepare(invocation, options, line);
  report_failure(invocation.line, options.id,
                 prepared ? become_runtime(invocation.runtime, line.line()) : prepared.error());
  return kExecFailed;
}

}  // namespace tidewaiter::shim
