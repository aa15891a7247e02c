#include "shim/supervised.h"

#include <cstdlib>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "shim/runtime.h"

namespace tidewaiter::shim {
namespace {

// An agent goes by itself when its container has gone, which takes it milliseconds.
constexpr std::chrono::milliseconds kAgentEnd{1500};
constexpr std::chrono::milliseconds kTermination{500};

}  // namespace

Status claim_id(const Invocation& invocation, const std::string& id, const std::string& state_folder) {
  if (!sys::stat(state_folder)) return {};
  if (TRY(runtime_knows(invocation.runtime, invocation.line, id))) {
    return fail("the id is in use by a container that exists");
  }
  // Nobody is ended here: the agent may be that of a `create` under way.
  if (!container::wait_for_agent_end(state_folder, kAgentEnd)) {
    return fail("the id is in use: its agent is alive, with pid " +
                std::to_string(container::agent_pid(state_folder)));
  }
  return container::clear_state_folder(state_folder);
}

Status clear_supervision(const std::string& state_folder) {
  if (!container::wait_for_agent_end(state_folder, kAgentEnd)) {
    // One that was started for an `exec` that came to nothing waits longer; nobody needs it any more.
    TRY(container::terminate_agent(state_folder));
    if (!container::wait_for_agent_end(state_folder, kTermination)) {
      return fail("the agent with pid " + std::to_string(container::agent_pid(state_folder)) +
                  " does not end, in " + state_folder);
    }
  }
  return container::clear_state_folder(state_folder);
}

Status refuse_bypass(const Invocation& invocation) {
  const std::string variable(invocation.traits().bypass_environment);
  if (variable.empty() || std::getenv(variable.c_str()) == nullptr) return {};
  return fail("the environment has " + variable + ", with which " + std::string(invocation.traits().name) +
              " would answer to somebody else than the policy's agent; unset it, or run without a policy");
}

}  // namespace tidewaiter::shim
