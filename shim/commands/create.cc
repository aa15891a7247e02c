#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "oci/base/json_text.h"
#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/bound_files.h"
#include "oci/container/bundle.h"
#include "oci/launch/applied_policy.h"
#include "oci/policy/compile.h"
#include "oci/policy/compile_copies.h"
#include "oci/policy/compile_deny.h"
#include "oci/seccomp/listener_trial.h"
#include "oci/spec/config.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"
#include "shim/commands/commands.h"
#include "shim/copied_folders.h"
#include "shim/copies/settle.h"
#include "shim/denied_paths.h"
#include "shim/entrypoint.h"
#include "shim/failure.h"
#include "shim/init_place.h"
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

bool has_user_namespace(const spec::Json& config) {
  const spec::Json* linux_part = spec::member(config, "linux");
  const spec::Json* namespaces = linux_part == nullptr ? nullptr : spec::member(*linux_part, "namespaces");
  return namespaces != nullptr && namespaces->is_array() &&
         std::any_of(namespaces->begin(), namespaces->end(),
                     [](const spec::Json& one) { return spec::text_member(one, "type") == "user"; });
}

Status make_socket(const std::string& path) {
  if (::mknod(path.c_str(), S_IFSOCK, 0) != 0) return fail(errno, "make " + path);
  return {};
}

// `record`, with what only this caller of launch::record_of() knows.
Result<Record> completed(Record record, const Invocation& invocation, const ContainerOptions& options,
                         const Bundle& bundle, const std::string& policy_path) {
  record.id = options.id;
  record.config_path = bundle.config_path();
  record.config_owner = TRY(container::new_owner());
  record.runtime = invocation.runtime;
  record.root = invocation.root();
  record.policy_path = policy_path;
  if (!record.init.empty()) {
    const struct stat init = TRY(sys::stat(container::init_path()));
    record.init_file = Record::File{init.st_dev, init.st_ino};
  }
  return record;
}

// What is known of the folders that are copied on write, before the bundle is compiled.
Status look_at_copies(const Invocation& invocation, const std::string& id, const policy::Policy& policy,
                      const spec::Json& config, const std::string& folder, policy::Listener& listener) {
  listener.dry_run = TRY(container::is_dry_run(config));
  if (!policy::copies(policy)) {
    if (!listener.dry_run) return {};
    return fail(std::string("annotation ") + container::kDryRunAnnotation + " is \"true\", and the policy " +
                policy.name +
                " has no files.copy_on_write: what the container writes would not be kept apart, and nothing "
                "would be discarded");
  }
  const std::string all = TRY(container::changes_folder(invocation.settings, invocation.directories));
  listener.copies_folder = all + "/" + TRY(container::state_folder_name(id, invocation.directories.state));
  listener.copies_program = TRY(sys::readlink("/proc/self/exe"));
  const bool own_users = has_user_namespace(config);
  if (own_users && container::is_initial_root())
    return fail(
        "/linux/namespaces: /files/copy_on_write does not go with a user namespace of the container's own, "
        "whose root could not reach the layers in " +
        all + ": run the container as the user itself, or without that namespace");
  listener.copies_user_xattr = own_users || !container::is_initial_root();
  listener.copied_folders = TRY(find_copied_folders(policy.files->copy_on_write, config, folder, all));
  return {};
}

Result<CopyRecord> make_copy_record(const Record& record, const policy::Policy& policy,
                                    const policy::Listener& listener) {
  CopyRecord copies;
  copies.id = record.id;
  copies.policy_name = record.policy_name;
  copies.created = rfc3339_now();
  copies.dry_run = listener.dry_run;
  copies.user_xattr = listener.copies_user_xattr;
  copies.log =
      record.log_directory + listener.copies_folder.substr(listener.copies_folder.rfind('/')) + ".jsonl";
  for (const policy::CopyRule& rule : policy.files->copy_on_write) {
    const std::string& source = listener.copied_folders.at(rule.path);
    const struct stat status = TRY(sys::stat(source));
    copies.folders.push_back(
        {rule.pointer, rule.path, source, status.st_dev, status.st_ino, rule.on_success, rule.on_failure});
  }
  return copies;
}

struct Copies {
  std::string folder;
  CopyRecord record;
};

// Asks, when the runtime has ended, whether the container is there: none was created, or `run` has seen its
// end.
std::function<bool()> asks_for_container(const Invocation& invocation, const std::string& id) {
  CommandLine line = invocation.line;
  // It is asked from another folder.
  line.root = invocation.root();
  return [runtime = invocation.runtime, line, id] { return runtime_knows(runtime, line, id).value_or(true); };
}

// Without an agent a process of ours stays behind to put the bundle back; and where other commands have to
// know of the container, a state folder.
Status put_into_effect_unsupervised(const Invocation& invocation, const std::string& state_folder,
                                    const Record& record, const policy::Plan& plan,
                                    const std::function<Status()>& install) {
  if (!plan.remembered) {
    TRY(install());
    return restore_when_ended(record.config_path, record.config_owner);
  }
  const UniqueFd lock = TRY(container::keep_record(state_folder, record, install));
  const StateFolder folder{state_folder, lock.get(), asks_for_container(invocation, record.id)};
  Status left = restore_when_ended(record.config_path, record.config_owner, &folder);
  if (!left) static_cast<void>(sys::remove_tree(state_folder));
  return left;
}

// Puts the plan into effect: the bundle is rewritten while the agent starts, for one waits for the disk and
// the other for the processor. The agent undoes both by itself when this process ends and no container has
// come of it. It also keeps the lock until the runtime has read the bundle.
Status put_into_effect(const Invocation& invocation, const std::string& state_folder, const Bundle& bundle,
                       const UniqueFd& lock, const Record& record, const policy::Plan& plan,
                       const std::optional<Copies>& copies) {
  bool installed = false;
  const auto install = [&]() -> Status {
    // In the state folder, which is there by now. A mount keeps what it shows when that is gone.
    TRY(container::write_bound_files(state_folder, plan.files));
    if (plan.hosts && !plan.agent_keeps_hosts) TRY(container::write_hosts_file(state_folder, record));
    if (plan.covers_files) TRY(make_socket(state_folder + "/" + Record::kDeniedName));
    if (copies) {
      TRY(prepare_copies(copies->folder, copies->record));
      TRY(forget_copies_unless_used(copies->folder));
    }
    TRY(bundle.install(plan.config, record.config_owner));
    installed = true;
    return {};
  };
  if (!plan.supervised()) {
    Status done = put_into_effect_unsupervised(invocation, state_folder, record, plan, install);
    if (!done && installed) static_cast<void>(Bundle::restore(record.config_path, record.config_owner));
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
  if (TRY(container::is_dry_run(bundle.original())))
    return fail(std::string("annotation ") + container::kDryRunAnnotation +
                " is \"true\", and the container has no policy that would copy what it writes to");
  if (!bundle.has_record()) return {};
  return Bundle::restore_if_idle(bundle.config_path());
}

Status prepare(const Invocation& invocation, const ContainerOptions& options) {
  std::optional<Bundle> bundle = TRY(open_bundle(invocation, options));
  if (!bundle) return {};
  const std::string state_folder = TRY(invocation.state_folder(options.id));
  const auto policy_path = TRY(container::policy_path(invocation.settings, bundle->original()));
  if (!policy_path && stands_for_another(invocation, options.id, state_folder))
    return leave_to_runtime(*bundle);
  TRY(claim_id(invocation, options.id, state_folder));
  if (!policy_path) return leave_to_runtime(*bundle);
  TRY(refuse_bypass(invocation));
  const policy::PolicyFile file = TRY(launch::read_policy(*policy_path));

  // Other containers may be created from it. Once more, for from here on none of them writes it.
  const UniqueFd lock = TRY(container::lock_bundle(bundle->config_path(), kBundlePatience));
  bundle = TRY(Bundle::open("", bundle->config_path()));
  if (TRY(container::policy_path(invocation.settings, bundle->original())) != policy_path) {
    return fail(bundle->config_path() +
                " names another policy than a moment ago: create the container again");
  }
  const std::string folder = TRY(locate_bundle(options)).directory;
  policy::Listener listener{state_folder + "/" + Record::kSocketName,
                            file.policy.name,
                            state_folder + "/" + Record::kHostsName,
                            container::init_path(),
                            sys::landlock_version(),
                            state_folder + "/" + Record::kDeniedName};
  if (policy::covers(file.policy))
    listener.denied_files = TRY(find_denied_files(file.policy.files->deny, bundle->original(), folder));
  if (file.policy.files && file.policy.files->restricts())
    listener.snapshots = TRY(has_snapshots(bundle->original(), folder));
  TRY(look_at_copies(invocation, options.id, file.policy, bundle->original(), folder, listener));
  runtime::Surroundings surroundings;
  if (file.policy.limits || file.policy.identity)
    surroundings = invocation.surroundings(bundle->original(), folder);
  if (policy::names_processors(file.policy))
    runtime::look_at_processors(runtime::own_files(), spec::cgroup_of(bundle->original()), surroundings);
  const policy::Plan plan =
      TRY(policy::compile(file.policy, bundle->original(), invocation.traits(), listener, surroundings));
  TRY(policy::check_machine(file.policy, bundle->original(), invocation.traits(), surroundings));
  if (plan.supervised()) TRY(seccomp::check_own_filter());
  TRY(check_entrypoint(file.policy, *bundle, plan.config));
  if (!plan.init.empty()) TRY(check_init_place(bundle->original(), folder, plan.init.front()));
  const Record record = TRY(completed(
      launch::record_of(file, plan, bundle->original(), folder, invocation.directories, invocation.settings),
      invocation, options, *bundle, *policy_path));
  std::optional<Copies> copies;
  if (policy::copies(file.policy))
    copies.emplace(Copies{listener.copies_folder, TRY(make_copy_record(record, file.policy, listener))});
  return put_into_effect(invocation, state_folder, *bundle, lock, record, plan, copies);
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
