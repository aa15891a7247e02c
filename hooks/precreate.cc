#include "hooks/precreate.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/bound_files.h"
#include "oci/container/record.h"
#include "oci/launch/applied_policy.h"
#include "oci/policy/compile.h"
#include "oci/runtime/runtime_traits.h"
#include "oci/seccomp/listener_trial.h"
#include "oci/spec/config.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::hook {
namespace {

using container::Record;
using spec::Json;

constexpr std::string_view kPrefix = "hook-";
constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kLength = 16;

Result<std::string> new_state_folder_name() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return fail(errno, "getrandom");
  std::string name(kPrefix);
  for (std::size_t i = 0; i < kLength; ++i, number >>= 4U) name += kDigits[number & 0xfU];
  return name;
}

// podman names a container's cgroup unless it has the runtime make none, of which a hook is told nothing
// else. (For an ordinary user there is also podman outside a systemd session, which names none.) Nor is it
// told the bundle's folder.
runtime::Surroundings surroundings_of(const Json& config, const Host& host) {
  runtime::Surroundings surroundings = host.surroundings;
  surroundings.makes_no_cgroup = surroundings.initial_root && spec::cgroup_of(config).empty();
  runtime::look_at_sources(runtime::own_files(), "", spec::bind_sources(config), surroundings);
  return surroundings;
}

Status add_cleanup(Json& config, const Host& host, const std::string& state_folder) {
  Json& hooks = config["hooks"];
  if (hooks.is_null()) hooks = Json::object();
  if (!hooks.is_object()) return fail("/hooks is not an object");
  Json& poststop = hooks["poststop"];
  if (poststop.is_null()) poststop = Json::array();
  if (!poststop.is_array()) return fail("/hooks/poststop is not an array");
  for (const std::string& path : {host.hook_path, state_folder}) {
    if (!spec::is_utf8(path)) return fail(path + " is not UTF-8, as config.json has to be");
  }
  poststop.push_back(
      {{"path", host.hook_path}, {"args", {"tidewaiter-hook", "cleanup", state_folder}}, {"timeout", 10}});
  return {};
}

// Makes the state folder, with what the bundle binds from it, and starts the agent, where one is needed.
Status keep_state(const Host& host, const std::string& state_folder, const Record& record,
                  const policy::Plan& plan) {
  const auto write_files = [&]() -> Status {
    TRY(container::write_bound_files(state_folder, plan.files));
    return plan.hosts && !plan.agent_keeps_hosts ? container::write_hosts_file(state_folder, record)
                                                 : Status();
  };
  if (plan.supervised()) {
    const auto agent =
        TRY(container::AgentSource::configured(host.settings.agent, host.settings.agent_socket));
    return container::launch_agent(agent, state_folder, record, container::Creator::kUnknown, -1,
                                   container::kReadyTimeout, write_files);
  }
  // Its lock goes at once: nobody but the clean-up hook looks for the folder.
  TRY(container::keep_record(state_folder, record, write_files));
  return {};
}

}  // namespace

bool is_state_folder_name(std::string_view name) {
  if (!name.starts_with(kPrefix)) return false;
  name.remove_prefix(kPrefix.size());
  return name.size() == kLength && name.find_first_not_of(kDigits) == std::string_view::npos;
}

Result<std::string> precreate(const std::string& text, const Host& host) {
  const Json config = TRY(spec::parse_json(text, "config.json"));
  const auto path = TRY(container::policy_path(host.settings, config));
  if (!path) return text;

  const policy::PolicyFile file = TRY(launch::read_policy(*path));
  const std::string state_folder = host.directories.state + "/" + TRY(new_state_folder_name());
  const policy::Listener listener{state_folder + "/" + Record::kSocketName, file.policy.name,
                                  state_folder + "/" + Record::kHostsName, /*init_program=*/"",
                                  sys::landlock_version()};
  const runtime::Traits& traits = runtime::traits(runtime::Kind::kUnknown);
  runtime::Surroundings surroundings;
  if (file.policy.limits || file.policy.identity) surroundings = surroundings_of(config, host);
  if (policy::names_processors(file.policy))
    runtime::look_at_processors(runtime::own_files(), spec::cgroup_of(config), surroundings);
  policy::Plan plan = TRY(policy::compile(file.policy, config, traits, listener, surroundings));
  TRY(policy::check_machine(file.policy, config, traits, surroundings));
  // podman's own runtime is what enters the container later: without an agent the folder is for its files
  // alone.
  const bool binds_files = plan.hosts || !plan.files.empty();
  if (plan.supervised()) TRY(seccomp::check_own_filter());
  if (plan.supervised() || binds_files) {
    TRY(add_cleanup(plan.config, host, state_folder));
    // The hook is not told the bundle's folder; podman writes absolute paths.
    Record record = launch::record_of(file, plan, config, /*bundle=*/"", host.directories, host.settings);
    record.policy_path = *path;
    TRY(keep_state(host, state_folder, record, plan));
  }
  return spec::dump_json(plan.config, -1);
}

}  // namespace tidewaiter::hook
