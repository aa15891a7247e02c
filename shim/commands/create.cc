#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "oci/container/agent_launcher.h"
#include "oci/container/bundle.h"
#include "oci/policy/compile.h"
#include "oci/policy/load.h"
#include "oci/spec/config.h"
#include "shim/commands/commands.h"
#include "shim/failure.h"
#include "shim/restorer.h"
#include "shim/runtime.h"
#include "shim/supervised.h"

// `create` and `run`: read the bundle, find its policy, compile the one into the other, have an agent listen,
// and become the runtime, which then knows nothing of all this. The text follows one `create` from the bottom
// up.

namespace tidewaiter::shim {
namespace {

using container::Bundle;
using container::Record;

Result<policy::PolicyFile> read_policy(const std::string& path) {
  auto file = policy::load_file(path);
  // podman takes "No such file or directory" for a program that is missing in the container.
  if (!file && file.error().code == ENOENT) return fail("there is no policy file " + path);
  return file;
}

Record make_record(const Invocation& invocation, const std::string& id, const Bundle& bundle,
                   const policy::PolicyFile& file, const policy::Plan& plan) {
  Record record;
  record.id = id;
  record.config_path = bundle.config_path();
  record.runtime = invocation.runtime;
  if (!invocation.line.root.empty()) record.runtime_root = std::filesystem::absolute(invocation.line.root);
  record.policy_name = file.policy.name;
  record.policy_text = file.text;
  const nlohmann::ordered_json::json_pointer seccomp("/linux/seccomp");
  if (bundle.original().contains(seccomp)) record.own_seccomp = bundle.original().at(seccomp);
  record.residual.assign(plan.residual.begin(), plan.residual.end());
  record.exempts_start = plan.exempts_start;
  record.log_directory = invocation.directories.log;
  record.log_max_bytes = invocation.settings.log_max_bytes;
  record.log_total_bytes = invocation.settings.log_total_bytes;
  return record;
}

// Puts the plan into effect: the rewritten bundle first, for that can be undone here, and then the agent,
// which undoes both by itself when this process ends and no container has come of it.
Status put_into_effect(const Invocation& invocation, const std::string& state_folder, const Bundle& bundle,
                       const Record& record, const policy::Plan& plan) {
  TRY(bundle.install(plan.config));
  if (!plan.supervised()) return restore_when_ended(bundle.config_path());
  const auto agent = container::agent_path(invocation.settings.agent);
  Status launched =
      agent ? container::launch_agent(*agent, state_folder, record, container::Creator::kThisProcess)
            : tl::unexpected(agent.error());
  if (!launched) static_cast<void>(Bundle::restore(bundle.config_path()));
  return launched;
}

Status prepare(const Invocation& invocation, const ContainerOptions& options) {
  const std::optional<Bundle> opened = TRY(open_bundle(invocation, options));
  if (!opened) return {};
  const Bundle& bundle = *opened;
  const std::string state_folder = TRY(invocation.state_folder(options.id));
  TRY(claim_id(invocation, options.id, state_folder));

  const auto policy_path = TRY(container::policy_path(invocation.settings, bundle.original()));
  if (!policy_path) return Bundle::restore(bundle.config_path());
  TRY(refuse_bypass(invocation));

  const policy::PolicyFile file = TRY(read_policy(*policy_path));
  const policy::Listener listener{state_folder + "/" + Record::kSocketName, file.policy.name};
  const policy::Plan plan =
      TRY(policy::compile(file.policy, bundle.original(), invocation.traits(), listener));
  const Record record = make_record(invocation, options.id, bundle, file, plan);
  return put_into_effect(invocation, state_folder, bundle, record, plan);
}

}  // namespace

int create(const Invocation& invocation) {
  ContainerOptions options = read_container_options(invocation.line, invocation.spelling());
  if (!invocation.traits().accepts_config_option) options.config.reset();
  if (!options.id.empty()) {
    const Status prepared = prepare(invocation, options);
    if (!prepared) {
      report_failure(invocation.line, options.id, prepared.error());
      return EXIT_FAILURE;
    }
  }
  // Without an id the runtime refuses, and in its own words.
  report_failure(invocation.line, options.id, become_runtime(invocation.runtime, invocation.line));
  return EXIT_FAILURE;
}

}  // namespace tidewaiter::shim
