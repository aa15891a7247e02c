#include <cstdlib>
#include <string>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "shim/commands/commands.h"
#include "shim/failure.h"
#include "shim/runtime.h"
#include "shim/supervised.h"

// `exec`: the runtime loads the container's filter into the new process by itself, and hands its descriptor
// to the agent, which therefore has to be there.

namespace tidewaiter::shim {
namespace {

// As runc has it, so that a failure is not taken for the program's own.
constexpr int kExecFailed = 255;

Status prepare(const Invocation& invocation, const std::string& id) {
  const auto state_folder = invocation.state_folder(id);
  // An id that cannot be ours is the runtime's to refuse.
  if (!state_folder || !sys::stat(*state_folder)) return {};
  TRY(refuse_bypass(invocation));
  const auto agent =
      TRY(container::AgentSource::configured(invocation.settings.agent, invocation.settings.agent_socket));
  return container::ensure_agent(agent, *state_folder);
}

}  // namespace

int exec(const Invocation& invocation) {
  const ContainerOptions options = read_container_options(invocation.line, invocation.spelling());
  Status prepared;
  if (!options.id.empty()) prepared = prepare(invocation, options.id);
  report_failure(invocation.line, options.id,
                 prepared ? become_runtime(invocation.runtime, invocation.line) : prepared.error());
  return kExecFailed;
}

}  // namespace tidewaiter::shim
