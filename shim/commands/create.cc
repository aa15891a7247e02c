#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "oci/container/agent_launcher.h"
#include "oci/container/bound_files.h"
#include "oci/container/bundle.h"
#include "oci/policy/compile.h"
#include "oci/policy/load.h"
#include "oci/spec/config.h"
#include "shim/commands/commands.h"
#include "shim/entrypoint.h"
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

// How long another `create` may take from rewriting the bundle until its runtime has read it.
constexpr std::chrono::seconds kBundlePatience{30};

Result<policy::PolicyFile> read_policy(const std::string& path) {
  auto file = policy::load_file(path);
  // podman takes "No such file or directory" for a program that is missing in the container.
  if (!file && file.error().code == ENOENT) return fail("there is no policy file " + path);
  return file;
}

Result<Record> make_record(const Invocation& invocation, const ContainerOptions& options,
                           const Bundle& bundle, const std::string& policy_path,
                           const policy::PolicyFile& file, const policy::Plan& plan) {
  Record record;
  record.id = options.id;
  record.config_path = bundle.config_path();
  record.config_owner = TRY(container::new_owner());
  record.runtime = invocation.runtime;
  record.policy_name = file.policy.name;
  record.policy_path = policy_path;
  record.policy_text = file.text;
  const nlohmann::ordered_json::json_pointer seccomp("/linux/seccomp");
  if (bundle.original().contains(seccomp)) record.own_seccomp = bundle.original().at(seccomp);
  record.agent = plan.supervised();
  record.open_files = plan.open_files;
  record.shuts_real_time = plan.shuts_real_time;
  record.sees_others = plan.sees_others;
  record.processors = plan.processors;
  record.holds_process = plan.holds_process;
  record.residual.assign(plan.residual.begin(), plan.residual.end());
  record.exempts_start = plan.exempts_start;
  record.told_of_execs = plan.told_of_execs;
  if (plan.hosts) record.hosts = spec::in_bundle(*plan.hosts, TRY(locate_bundle(options)).directory);
  record.pinned_hosts = plan.pinned_hosts;
  record.log_directory = invocation.directories.log;
  record.log_max_bytes = invocation.settings.log_max_bytes;
  record.log_total_bytes = invocation.settings.log_total_bytes;
  record.restart_seconds = invocation.settings.restart_seconds;
  return record;
}

// What clears a state folder without an agent when the runtime has ended and no container is there: none was
// created, or `run` has seen its end. `delete` clears it otherwise.
std::function<void()> forget_if_gone(const Invocation& invocation, const std::string& state_folder,
                                     const Record& record) {
  CommandLine line = invocation.line;
  // It is asked from another folder.
  std::error_code ignored;
  if (!line.root.empty()) line.root = std::filesystem::absolute(line.root, ignored);
  return [runtime = invocation.runtime, line, state_folder, id = record.id, owner = record.config_owner] {
    if (runtime_knows(runtime, line, id).value_or(true)) return;
    // Another container of this id may have come already.
    const auto found = container::read_record(state_folder);
    if (found && found->config_owner == owner) static_cast<void>(container::clear_state_folder(state_folder));
  };
}

// Puts the plan into effect: the bundle is rewritten while the agent starts, for one waits for the disk and
// the other for the processor. The agent undoes both by itself when this process ends and no container has
// come of it. It also keeps the lock until the runtime has read the bundle.
Status put_into_effect(const Invocation& invocation, const std::string& state_folder, const Bundle& bundle,
                       const UniqueFd& lock, const Record& record, const policy::Plan& plan) {
  bool installed = false;
  const auto install = [&]() -> Status {
    TRY(container::write_bound_files(state_folder, plan.files));
    if (plan.hosts && !plan.agent_keeps_hosts) TRY(container::write_hosts_file(state_folder, record));
    TRY(bundle.install(plan.config, record.config_owner));
    installed = true;
    return {};
  };
  if (!plan.supervised()) {
    if (plan.remembered) TRY(container::keep_record(state_folder, record));
    Status done = install();
    if (done) {
      done = restore_when_ended(
          record.config_path, record.config_owner,
          plan.remembered ? forget_if_gone(invocation, state_folder, record) : std::function<void()>());
    }
    if (!done && plan.remembered) static_cast<void>(container::clear_state_folder(state_folder));
    return done;
  }
  const auto agent =
      TRY(container::AgentSource::configured(invocation.settings.agent, invocation.settings.agent_socket));
  Status launched = container::launch_agent(agent, state_folder, record, container::Creator::kThisProcess,
                                            lock.get(), container::kReadyTimeout, install);
  if (!launched && installed) static_cast<void>(Bundle::restore(record.config_path, record.config_owner));
  return launched;
}

// What an earlier policy left, if anything, is undone.
Status leave_to_runtime(const Bundle& bundle) {
  if (!bundle.has_record()) return {};
  return Bundle::restore_if_idle(bundle.config_path());
}

Status prepare(const Invocation& invocation, const ContainerOptions& options) {
  std::optional<Bundle> bundle = TRY(open_bundle(invocation, options));
  if (!bundle) return {};
  const std::string state_folder = TRY(invocation.state_folder(options.id));
  TRY(claim_id(invocation, options.id, state_folder));

  const auto policy_path = TRY(container::policy_path(invocation.settings, bundle->original()));
  if (!policy_path) return leave_to_runtime(*bundle);
  TRY(refuse_bypass(invocation));
  const policy::PolicyFile file = TRY(read_policy(*policy_path));

  // Other containers may be created from it. Once more, for from here on none of them writes it.
  const UniqueFd lock = TRY(container::lock_bundle(bundle->config_path(), kBundlePatience));
  bundle = TRY(Bundle::open("", bundle->config_path()));
  if (TRY(container::policy_path(invocation.settings, bundle->original())) != policy_path) {
    return fail(bundle->config_path() +
                " names another policy than a moment ago: create the container again");
  }
  const policy::Listener listener{state_folder + "/" + Record::kSocketName, file.policy.name,
                                  state_folder + "/" + Record::kHostsName};
  runtime::Surroundings surroundings;
  if (file.policy.limits || file.policy.identity)
    surroundings = invocation.surroundings(bundle->original(), TRY(locate_bundle(options)).directory);
  if (file.policy.limits && file.policy.limits->processors)
    runtime::look_at_processors(runtime::own_files(), surroundings);
  const policy::Plan plan =
      TRY(policy::compile(file.policy, bundle->original(), invocation.traits(), listener, surroundings));
  TRY(policy::check_machine(file.policy, bundle->original(), invocation.traits(), surroundings));
  TRY(check_entrypoint(file.policy, *bundle, plan.config));
  const Record record = TRY(make_record(invocation, options, *bundle, *policy_path, file, plan));
  return put_into_effect(invocation, state_folder, *bundle, lock, record, plan);
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
