#include "shim/supervised.h"

#include <cstdlib>
#include <utility>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/policy/load.h"
#include "shim/runtime.h"

namespace tidewaiter::shim {
namespace {

// An agent goes by itself when its container has gone, which takes it milliseconds.
constexpr std::chrono::milliseconds kAgentEnd{1500};
constexpr std::chrono::milliseconds kTermination{500};

Result<container::Bundle> open_located(const BundlePlace& place) {
  return container::Bundle::open(place.directory, place.config_file);
}

// Whether any policy may be meant for a config that could not be read as JSON, or not at all.
bool policy_may_apply(const container::Settings& settings, const BundlePlace& place) {
  if (settings.default_policy || settings.require_policy) return true;
  const auto text = sys::read_file(place.config_file);
  return text && text->find(container::kPolicyAnnotation) != std::string::npos;
}

}  // namespace

Result<std::optional<container::Bundle>> open_bundle(const Invocation& invocation,
                                                     const ContainerOptions& options) {
  const auto place = locate_bundle(options);
  auto bundle = place ? open_located(*place) : tl::unexpected(place.error());
  if (bundle) return std::move(*bundle);
  if (policy_may_apply(invocation.settings, place.value_or(BundlePlace{}))) {
    return tl::unexpected(bundle.error());
  }
  return std::nullopt;
}

bool stands_for_another(const Invocation& invocation, const std::string& id,
                        const std::string& state_folder) {
  const auto record = container::read_record(state_folder);
  if (!record || record->runtime.empty() || record->root == invocation.root()) return false;
  CommandLine line = invocation.line;
  line.root = record->root;
  // In doubt it is.
  return runtime_knows(record->runtime, line, id).value_or(true);
}

Status claim_id(const Invocation& invocation, const std::string& id, const std::string& state_folder) {
  if (!sys::stat(state_folder)) return {};
  if (stands_for_another(invocation, id, state_folder)) {
    return fail("the id is in use by a container under another --root");
  }
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

Result<policy::Policy> recorded_policy(const container::Record& record) {
  auto parsed = policy::parse(record.policy_text, record.policy_name + ".json", record.policy_name);
  if (!parsed) return fail(parsed.error().front().where + ": " + parsed.error().front().message);
  return std::move(*parsed);
}

Status refuse_bypass(const Invocation& invocation) {
  if (runtime::name_chooses_handler(invocation.runtime)) {
    return fail(
        "called by the name " + invocation.runtime +
        ", crun runs containers inside its own process, where no policy can tell the two apart: name it "
        "crun, or run without a policy");
  }
  const std::string variable(invocation.traits().bypass_environment);
  if (variable.empty() || std::getenv(variable.c_str()) == nullptr) return {};
  return fail("the environment has " + variable + ", with which " + std::string(invocation.traits().name) +
              " would answer to somebody else than the policy's agent; unset it, or run without a policy");
}

}  // namespace tidewaiter::shim
