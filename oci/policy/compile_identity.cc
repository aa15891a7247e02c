#include "oci/policy/compile_identity.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "oci/policy/address.h"
#include "oci/policy/check_identity.h"
#include "oci/policy/check_limits.h"
#include "oci/policy/cpu_list.h"
#include "oci/policy/glob.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"
#include "oci/spec/procfs_mount.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using spec::member;
using spec::text_member;

constexpr std::string_view kExecuted =
    "of processes that are executed in it as well, where tidewaiter stands in front of the runtime";

// --- the host name ----------------------------------------------------------------------------------

// What is joined by its path, the other containers of a pod have too; and to be in none is to have the
// host's. One entry is left: crun would join a second one's when it has made the first.
Status own_uts_namespace(ordered_json& config) {
  ordered_json& linux_part = *TRY(spec::object_in(config, "linux", ""));
  ordered_json& namespaces = linux_part["namespaces"];
  if (namespaces.is_null()) namespaces = ordered_json::array();
  if (!namespaces.is_array())
    return fail(std::string("/linux/namespaces: expected an array, found ") + namespaces.type_name());
  ordered_json others = ordered_json::array();
  std::copy_if(namespaces.begin(), namespaces.end(), std::back_inserter(others),
               [](const ordered_json& one) { return text_member(one, "type") != "uts"; });
  others.push_back({{"type", "uts"}});
  namespaces = std::move(others);
  return {};
}

Status apply_hostname(const std::string& hostname, const std::string& folder, ordered_json& config,
                      BoundFiles& files) {
  constexpr const char* kPlace = "/etc/hostname";
  constexpr const char* kName = "hostname";
  TRY(own_uts_namespace(config));
  config["hostname"] = hostname;
  // Engines bind a file of their own there, with the name that they think of.
  if (ordered_json* own = spec::mount_at(config, kPlace)) {
    *own = spec::bind_of_file(kPlace, folder + "/" + kName);
    files[kName] = hostname + "\n";
  }
  return {};
}

// --- the processors ---------------------------------------------------------------------------------

// A file of the kernel's, and the one that is bound over it.
struct CpuFile {
  const char* place;
  const char* name;
};
constexpr CpuFile kCpuinfo{"/proc/cpuinfo", "cpuinfo"};
constexpr CpuFile kOnline{"/sys/devices/system/cpu/online", "cpus-online"};
// Programs take the last of these for the largest number that a processor has (get_nprocs_conf(3)), and make
// arrays of that length.
constexpr CpuFile kNumbers[] = {{"/sys/devices/system/cpu/possible", "cpus-possible"},
                                {"/sys/devices/system/cpu/present", "cpus-present"}};

// Elsewhere the runtime would make the files that it is to bind over.
bool shows_sysfs(ordered_json& config) {
  const ordered_json* mount = spec::mount_at(config, "/sys");
  return mount != nullptr &&
         (text_member(*mount, "type") == "sysfs" ||
          (spec::is_bind(*mount) && spec::absolute(text_member(*mount, "source")) == "/sys"));
}

bool shows_procfs(ordered_json& config) {
  const std::vector<std::string> places = spec::procfs_mounts(config);
  if (std::find(places.begin(), places.end(), "/proc") == places.end()) return false;
  // Then there are folders of processes alone (proc(5)).
  const ordered_json* mount = spec::mount_at(config, "/proc");
  return mount == nullptr || !spec::has_option(*mount, "subset=pid");
}

void bind_cpu_files(const std::set<unsigned>& processors, const std::string& cpuinfo,
                    const std::string& folder, ordered_json& config, BoundFiles& files) {
  const auto bind = [&](const CpuFile& file, std::string text) {
    // Behind what is mounted there already, the kernel's own among it.
    config["mounts"].push_back(spec::bind_of_file(file.place, folder + "/" + file.name));
    files[file.name] = std::move(text);
  };
  if (shows_procfs(config)) bind(kCpuinfo, cpuinfo_of(cpuinfo, processors));
  if (!shows_sysfs(config)) return;
  bind(kOnline, cpu_list_text(processors) + "\n");
  std::set<unsigned> numbers;
  for (unsigned number = 0; number <= *processors.rbegin(); ++number) numbers.insert(number);
  for (const CpuFile& file : kNumbers) bind(file, cpu_list_text(numbers) + "\n");
}

Status show_processors(const runtime::Surroundings& surroundings, const std::string& folder,
                       ordered_json& config, BoundFiles& files) {
  const ordered_json& cpu = config["linux"]["resources"]["cpu"];
  const auto processors =
      TRY(in_context("/linux/resources/cpu/cpus", parse_cpu_list(text_member(cpu, "cpus"))));
  bind_cpu_files(processors, surroundings.cpuinfo, folder, config, files);
  return {};
}

// --- the variables ----------------------------------------------------------------------------------

std::string_view name_of(std::string_view variable) { return variable.substr(0, variable.find('=')); }

bool sets(const EnvPolicy& env, std::string_view name) {
  return std::any_of(env.set.begin(), env.set.end(), [name](const auto& one) { return one.first == name; });
}

bool passes(const EnvPolicy& env, std::string_view name) {
  return !env.clean || std::any_of(env.pass.begin(), env.pass.end(),
                                   [name](const std::string& glob) { return matches_text(glob, name); });
}

// --- the user ---------------------------------------------------------------------------------------

// What the bundle gave to another user. That leaves what engines leave to who is not root: the bounding set,
// from which setuid programs, and files with capabilities, take theirs (capabilities(7)).
Status drop_capabilities(ordered_json& process, const std::string& place) {
  if (member(process, "capabilities") == nullptr) return {};
  ordered_json& capabilities = *TRY(spec::object_in(process, "capabilities", place));
  for (const char* set : {"effective", "inheritable", "permitted", "ambient"})
    capabilities[set] = ordered_json::array();
  return {};
}

Status hold_user(const UserPolicy& wanted, ordered_json& process, const std::string& place) {
  ordered_json& user = *TRY(spec::object_in(process, "user", place));
  const std::uint64_t own = TRY(spec::unsigned_in(user, "uid", place + "/user")).value_or(0);
  if (wanted.uid == 0 && own != 0) {
    return fail(place + "/user/uid: the policy's /identity/user would make root of user " +
                std::to_string(own) +
                ", with the capabilities of the bounding set: a policy only takes away");
  }
  if (own != wanted.uid) TRY(drop_capabilities(process, place));
  user["uid"] = wanted.uid;
  user["gid"] = wanted.gid;
  user["additionalGids"] = wanted.additional_gids;
  return {};
}

// --- rows -------------------------------------------------------------------------------------------

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string addresses_of(const PinnedHost& host) {
  std::vector<std::string> addresses;
  addresses.reserve(host.addresses.size());
  for (const IpAddress& address : host.addresses) addresses.push_back(to_string(address));
  return join(addresses);
}

std::string words(const UserPolicy& user) {
  std::string text = "user " + std::to_string(user.uid) + ", group " + std::to_string(user.gid);
  std::vector<std::string> more;
  more.reserve(user.additional_gids.size());
  for (const std::uint32_t gid : user.additional_gids) more.push_back(std::to_string(gid));
  return more.empty() ? text : text + ", and groups " + join(more);
}

// Values may be secrets.
std::vector<std::string> words(const EnvPolicy& env) {
  std::vector<std::string> parts;
  if (env.clean)
    parts.push_back(env.pass.empty() ? "no variables of the container's"
                                     : "no variables but " + join(env.pass));
  std::vector<std::string> names;
  names.reserve(env.set.size());
  for (const auto& [name, value] : env.set) names.push_back(name);
  if (!names.empty()) parts.push_back("sets " + join(names));
  return parts;
}

class Rows {
 public:
  explicit Rows(bool given) : given_(given) {}

  void add(std::string pointer, std::string what, std::string note) {
    rows_.push_back({.pointer = std::move(pointer),
                     .what = std::move(what) + (given_ ? "" : " (audit: left as it is)"),
                     .mechanism = given_ ? Mechanism::kRuntime : Mechanism::kNobody,
                     .cost = "none",
                     .note = given_ ? std::move(note) : ""});
  }
  // In audit mode too.
  void add_always(std::string pointer, std::string what, std::string note) {
    rows_.push_back({.pointer = std::move(pointer),
                     .what = std::move(what),
                     .mechanism = Mechanism::kRuntime,
                     .cost = "none",
                     .note = std::move(note)});
  }
  std::vector<PlanRow> take() { return std::move(rows_); }

 private:
  bool given_;
  std::vector<PlanRow> rows_;
};

std::vector<PlanRow> rows_of(const Policy& policy) {
  const Identity& identity = *policy.identity;
  Rows rows(gives_identity(policy));
  if (identity.hostname) {
    rows.add("/identity/hostname", "host name " + *identity.hostname,
             "in a uts namespace of its own; with CAP_SYS_ADMIN the container may change it");
  }
  for (const PinnedHost& host : identity.hosts) {
    rows.add_always(
        host.pointer, host.name + " is " + addresses_of(host),
        "in /etc/hosts, read-only, in the place of what that has of the name; and in network rules");
  }
  if (identity.env) {
    const std::vector<std::string> parts = words(*identity.env);
    if (!parts.empty()) rows.add("/identity/env", join(parts), std::string(kExecuted));
  }
  if (identity.user) {
    rows.add("/identity/user", words(*identity.user),
             std::string(kExecuted) +
                 "; capabilities that the bundle gives to another user go, but for the bounding set");
  }
  return rows.take();
}

}  // namespace

std::string pinned_lines(const std::vector<PinnedHost>& hosts) {
  std::string lines;
  for (const PinnedHost& host : hosts) {
    for (const IpAddress& address : host.addresses) lines += to_string(address) + "\t" + host.name + "\n";
  }
  return lines;
}

bool has_variable(const ordered_json& process, std::string_view name) {
  const ordered_json* env = member(process, "env");
  return env != nullptr && env->is_array() &&
         std::any_of(env->begin(), env->end(), [name](const ordered_json& one) {
           return one.is_string() && name_of(one.get_ref<const std::string&>()) == name;
         });
}

Status hold_env(const Identity& identity, ordered_json& process, const std::string& place) {
  if (!identity.env && !identity.hostname) return {};
  const EnvPolicy env = identity.env.value_or(EnvPolicy{});
  const ordered_json* own = member(process, "env");
  if (own == nullptr && env.set.empty()) return {};
  ordered_json held = ordered_json::array();
  if (own != nullptr && !own->is_array())
    return fail(place + "/env: expected an array, found " + own->type_name());
  for (std::size_t i = 0; own != nullptr && i < own->size(); ++i) {
    const ordered_json& variable = own->at(i);
    if (!variable.is_string()) {
      return fail(place + "/env/" + std::to_string(i) + ": expected text, as in \"LANG=C\", found " +
                  variable.type_name());
    }
    const std::string_view name = name_of(variable.get_ref<const std::string&>());
    if (sets(env, name) || !passes(env, name)) continue;
    // Engines tell the workload its host name by this one.
    held.push_back(name == "HOSTNAME" && identity.hostname ? ordered_json("HOSTNAME=" + *identity.hostname)
                                                           : variable);
  }
  for (const auto& [name, value] : env.set) held.push_back(std::string(name).append("=").append(value));
  process["env"] = std::move(held);
  return {};
}

Status hold_process(const Identity& identity, ordered_json& process, const std::string& place) {
  if (!process.is_object()) {
    return fail(place + (place.empty() ? "" : ": ") + "expected an object, found " + process.type_name());
  }
  TRY(hold_env(identity, process, place));
  return identity.user ? hold_user(*identity.user, process, place) : Status();
}

Result<std::vector<PlanRow>> apply_identity(const Policy& policy, const runtime::Surroundings& surroundings,
                                            const std::string& folder, ordered_json& config,
                                            BoundFiles& files) {
  if (holds_limits(policy) && policy.limits->processors)
    TRY(show_processors(surroundings, folder, config, files));
  if (!policy.identity) return std::vector<PlanRow>();
  if (gives_identity(policy)) {
    const Identity& identity = *policy.identity;
    if (identity.hostname) TRY(apply_hostname(*identity.hostname, folder, config, files));
    if (identity.concerns_processes() && member(config, "process") != nullptr)
      TRY(hold_process(identity, config["process"], "/process"));
  }
  return rows_of(policy);
}

}  // namespace tidewaiter::policy
