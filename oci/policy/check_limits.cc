#include "oci/policy/check_limits.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string_view>

#include "oci/spec/members.h"
#include "oci/spec/mounts.h"
#include "oci/spec/procfs_mount.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using spec::member;
using spec::text_member;

constexpr const char* kRealTimePriority = "RLIMIT_RTPRIO";

struct Input {
  const Limits& limits;
  const ordered_json& config;
  const runtime::Surroundings& surroundings;
};

constexpr const char* kResources = "/linux/resources";

const ordered_json* resources_of(const ordered_json& config) {
  const ordered_json* linux_part = member(config, "linux");
  return linux_part == nullptr ? nullptr : member(*linux_part, "resources");
}

// A file of cgroup version 2 that a runtime writes last, after what it makes of the other members.
struct UnifiedFile {
  std::string_view name;
  std::string_view pointer;  // of the limit that it would replace
  std::string_view instead;  // where the bundle can say the same
  HasLimit has;
};
constexpr UnifiedFile kUnifiedFiles[] = {
    {"memory.max", "/limits/memory", "memory/limit", kHas<&Limits::memory>},
    {"memory.swap.max", "/limits/memory", "memory/swap", kHas<&Limits::memory>},
    {"pids.max", "/limits/processes", "pids/limit", kHas<&Limits::processes>},
    {"cpu.max", "/limits/cpus", "cpu/quota and cpu/period", kHas<&Limits::cpu_time>},
    {"cpu.max.burst", "/limits/cpus", "cpu/burst", kHas<&Limits::cpu_time>},
    {"cpuset.cpus", "/identity/cpus", "cpu/cpus", kHas<&Limits::processors>},
};

// Where in the policy it says what the container's cgroup holds.
std::string place_of(const Limits& limits) {
  const bool others = limits.memory || limits.processes || limits.cpu_time;
  return others || !limits.processors ? "/limits" : "/identity/cpus";
}

Status check_unified_files(const Input& input) {
  const ordered_json* resources = resources_of(input.config);
  return resources == nullptr ? Status() : check_unified(input.limits, *resources, kResources);
}

// crun and runc hand properties of these names to systemd, which holds to them whenever it looks again.
constexpr std::string_view kSystemdProperty = "org.systemd.property.";
constexpr std::string_view kStartup = "Startup";
constexpr std::string_view kLimitingProperties[] = {"AllowedCPUs", "CPU", "DisableControllers", "Memory",
                                                    "Tasks"};

Status check_systemd_properties(const Input& input) {
  const ordered_json* annotations = member(input.config, "annotations");
  if (!input.limits.needs_cgroup() || annotations == nullptr || !annotations->is_object()) return {};
  for (const auto& [key, value] : annotations->items()) {
    if (!key.starts_with(kSystemdProperty)) continue;
    std::string_view property = std::string_view(key).substr(kSystemdProperty.size());
    // The same while the machine starts, and ends.
    if (property.starts_with(kStartup)) property.remove_prefix(kStartup.size());
    const auto begins = [property](std::string_view name) { return property.starts_with(name); };
    if (std::none_of(std::begin(kLimitingProperties), std::end(kLimitingProperties), begins)) continue;
    return fail("the annotation " + key + " would have systemd set another limit than the policy's " +
                place_of(input.limits) + ": take the annotation away");
  }
  return {};
}

// By these crun puts the container into a cgroup below the one that it has set the limits of, or above: it
// takes ".." as the kernel does (src/libcrun/cgroup.c, cgroup-systemd.c). Engines take annotations from
// images too.
constexpr std::string_view kSubgroupAnnotations[] = {"run.oci.delegate-cgroup", "run.oci.systemd.subgroup"};

bool leads_up(const std::string& path) {
  const std::filesystem::path parts = path;
  return std::find(parts.begin(), parts.end(), "..") != parts.end();
}

Status check_subgroups(const Input& input) {
  const ordered_json* annotations = member(input.config, "annotations");
  if (!input.limits.needs_cgroup() || annotations == nullptr) return {};
  for (const std::string_view name : kSubgroupAnnotations) {
    const std::string key(name);
    if (!leads_up(text_member(*annotations, key.c_str()))) continue;
    return fail("the annotation " + key + " leads out of the cgroup that holds the policy's " +
                place_of(input.limits) + ": expected a path without \"..\"");
  }
  return {};
}

// How a mount's options leave it, the last word of each kind counting.
struct Writing {
  bool refused = false;             // to the mount itself ("ro")
  bool refused_everywhere = false;  // and to all that is mounted below ("rro")
};

Writing writing_to(const ordered_json& mount) {
  Writing writing;
  bool allowed_everywhere = false;
  for (const std::string& option : spec::options_of(mount)) {
    if (option == "ro") writing.refused = true;
    if (option == "rw") writing.refused = false;
    if (option == "rro") writing.refused_everywhere = true;
    if (option == "rrw") writing.refused_everywhere = false;
    // Runtimes change what is below last: it takes back "ro", wherever that stands.
    if (option == "rro" || option == "rrw") allowed_everywhere = option == "rrw";
  }
  writing.refused = (writing.refused && !allowed_everywhere) || writing.refused_everywhere;
  return writing;
}

std::string make_read_only(const Limits& limits) {
  return ": through it the container could write another limit into its cgroup than the policy's " +
         place_of(limits) + ": make it read-only";
}

// What the runtime binds.
struct Bind {
  std::string source;  // as the bundle has it
  std::string place;   // its JSON pointer
  bool recursive = false;
  Writing writing;
};

// What the container would see of cgroups through `source`. A bind mount that is read-only leaves what is
// mounted below its source as it is.
Status check_seen(const Input& input, const Bind& bind, const runtime::Source& source) {
  if (source.cgroup && !bind.writing.refused) {
    return fail(bind.place + make_read_only(input.limits) +
                " (\"ro\", or \"rro\" where it holds other mounts)");
  }
  if (bind.recursive && source.holds_cgroups) {
    return fail(bind.place + make_read_only(input.limits) +
                " with what is mounted below it (\"rro\"; \"ro\" is not enough)");
  }
  return {};
}

Result<runtime::Source> looked_at(const Input& input, const Bind& bind) {
  const auto found = input.surroundings.sources.find(bind.source);
  const bool looked = found != input.surroundings.sources.end();
  if (looked && found->second.unseen.empty()) return found->second;
  return fail(bind.place +
              ": expected a source that can be looked at, since it may show cgroups, or \"rro\", found " +
              spec::dump_json(bind.source, -1) + ": " +
              (looked ? found->second.unseen : "nobody looked at it"));
}

bool is_read_only(const Bind& bind) {
  return bind.writing.refused_everywhere || (bind.writing.refused && !bind.recursive);
}

// A runtime mounts in the order of the bundle, and in the folder that the root file system is in. So a source
// in that folder shows the container's cgroups when it is bound, whatever lies there before; and so does one
// that has the folder in it. Runtimes bind them without the "ro" that they were mounted with.
Status check_own_root(const Input& input, const Bind& bind, const runtime::Source& source,
                      const runtime::Source& root) {
  for (const std::string& path : source.paths) {
    for (const std::string& own : root.paths) {
      if (!spec::is_below(path, own) && !(bind.recursive && spec::is_below(own, path))) continue;
      return fail(bind.place + make_read_only(input.limits) +
                  " (\"ro\", or \"rro\" where it is recursive), since it leads to the container's own root "
                  "folder, in which the runtime mounts the cgroup");
    }
  }
  return {};
}

Status check_mount(const Input& input, const ordered_json& mount, const std::string& place,
                   const runtime::Source& root) {
  const Writing writing = writing_to(mount);
  const std::string type = text_member(mount, "type");
  if ((type == "cgroup" || type == "cgroup2") && !writing.refused)
    return fail(place + make_read_only(input.limits) + " (\"ro\")");
  if (spec::has_option(mount, "remount")) {
    return fail(place +
                "/options: \"remount\" may make the container's cgroup writable, and so another limit "
                "than the policy's " +
                place_of(input.limits) + ": give the mount that is meant its options at once");
  }
  if (!spec::is_bind(mount)) return {};
  const Bind bind{text_member(mount, "source"), place, spec::is_recursive(mount), writing};
  if (is_read_only(bind)) return {};
  const runtime::Source source = TRY(looked_at(input, bind));
  TRY(check_seen(input, bind, source));
  return check_own_root(input, bind, source, root);
}

Status check_cgroup_mounts(const Input& input) {
  if (!input.limits.needs_cgroup()) return {};
  runtime::Source own_root;
  if (const ordered_json* root = member(input.config, "root")) {
    // Runtimes bind it onto itself, with all that is mounted below.
    const Bind bind{text_member(*root, "path"), "/root/path", true, Writing{}};
    if (!bind.source.empty()) {
      own_root = TRY(looked_at(input, bind));
      TRY(check_seen(input, bind, own_root));
    }
  }
  const ordered_json* mounts = member(input.config, "mounts");
  if (mounts == nullptr || !mounts->is_array()) return {};
  for (std::size_t i = 0; i < mounts->size(); ++i)
    TRY(check_mount(input, (*mounts)[i], "/mounts/" + std::to_string(i), own_root));
  return {};
}

const ordered_json* capabilities_of(const ordered_json& config) {
  const ordered_json* process = member(config, "process");
  return process == nullptr ? nullptr : member(*process, "capabilities");
}

// Whether the container's capabilities are those of a user namespace that the runtime makes, or joins, for
// it.
bool has_user_namespace(const ordered_json& config) {
  const ordered_json* linux_part = member(config, "linux");
  const ordered_json* namespaces = linux_part == nullptr ? nullptr : member(*linux_part, "namespaces");
  return namespaces != nullptr && namespaces->is_array() &&
         std::any_of(namespaces->begin(), namespaces->end(),
                     [](const ordered_json& one) { return text_member(one, "type") == "user"; });
}

// Whether its capabilities are those of the initial user namespace, the only ones that the kernel asks about
// where limits are raised.
bool has_initial_capabilities(const Input& input) {
  return input.surroundings.initial_root && !has_user_namespace(input.config);
}

std::string upper(std::string text) {
  for (char& c : text) c = 'a' <= c && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

// Whether any of the process's sets has it. crun knows them in lower case too.
bool names_capability(const ordered_json* capabilities, std::string_view name) {
  if (capabilities == nullptr || !capabilities->is_object()) return false;
  return std::any_of(capabilities->begin(), capabilities->end(), [name](const ordered_json& set) {
    return set.is_array() && std::any_of(set.begin(), set.end(), [name](const ordered_json& one) {
             return one.is_string() && upper(one.get<std::string>()) == name;
           });
  });
}

// crun has libcap read them (cap_from_name(3)), which knows them by number too, and stops at what cannot be
// part of a name: "24", "0x18" and "CAP_SYS_RESOURCE,x" are CAP_SYS_RESOURCE.
Status check_capability_names(const ordered_json* capabilities, const std::string& place) {
  if (capabilities == nullptr || !capabilities->is_object()) return {};
  for (const auto& [set, list] : capabilities->items()) {
    if (!list.is_array()) continue;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string name = list[i].is_string() ? upper(list[i].get<std::string>()) : "";
      if (name.starts_with("CAP_") &&
          name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string::npos)
        continue;
      std::string here = place;
      here.append("/capabilities/").append(set).append("/").append(std::to_string(i));
      return fail(
          here.append(": expected a name such as \"CAP_KILL\", found ").append(spec::dump_json(list[i], -1)));
    }
  }
  return {};
}

Status check_names_of_capabilities(const Input& input) {
  return check_capability_names(capabilities_of(input.config), "/process");
}

Status check_open_files_capability(const Input& input) {
  if (!input.limits.open_files || !has_initial_capabilities(input) ||
      !names_capability(capabilities_of(input.config), "CAP_SYS_RESOURCE")) {
    return {};
  }
  return fail(
      "/process/capabilities: with CAP_SYS_RESOURCE the container raises what the policy's "
      "/limits/open_files "
      "sets: take the capability away, or the limit");
}

// A process that another may look into (ptrace_may_access in kernel/ptrace.c) leads it to what it sees, the
// host's cgroups with all others, by /proc/PID/root, which is no call that a filter could refuse. That takes
// CAP_SYS_PTRACE, or the other's user and no fewer capabilities; whoever may change its user has those of
// many.
Status check_other_processes(const Input& input) {
  if (!input.limits.needs_cgroup() || has_user_namespace(input.config)) return {};
  const ordered_json* capabilities = capabilities_of(input.config);
  std::string name;
  if (spec::procfs_shows_host(input.config) && names_capability(capabilities, "CAP_SETUID"))
    name = "CAP_SETUID";
  if (spec::procfs_shows_others(input.config) && names_capability(capabilities, "CAP_SYS_PTRACE"))
    name = "CAP_SYS_PTRACE";
  if (name.empty()) return {};
  return fail(
      "/process/capabilities: with " + name +
      ", and processes in sight that are not its own, the container reaches cgroups through them "
      "(/proc/PID/root), and could write another limit than the policy's " +
      place_of(input.limits) +
      ": take the capability "
      "away, or give it a pid namespace of its own, as in {\"type\": \"pid\"}, and no /proc of the host's");
}

// With its first process the kernel ends all others of a pid namespace, and no others.
Status check_timeout(const Input& input) {
  if (!input.limits.timeout) return {};
  const ordered_json* linux_part = member(input.config, "linux");
  const ordered_json* namespaces = linux_part == nullptr ? nullptr : member(*linux_part, "namespaces");
  if (namespaces != nullptr && namespaces->is_array() &&
      std::any_of(namespaces->begin(), namespaces->end(), [](const ordered_json& one) {
        return text_member(one, "type") == "pid" && text_member(one, "path").empty();
      })) {
    return {};
  }
  return fail(
      "/linux/namespaces: the policy's /limits/timeout needs a pid namespace of the container's own, as in "
      "{\"type\": \"pid\"}: what it leaves behind would go on");
}

// The kernel holds processes of a real-time class to no quota. Empty: `process` is none, and makes none.
std::string real_time_right(const ordered_json& process, const std::string& place,
                            bool initial_capabilities) {
  if (initial_capabilities && names_capability(member(process, "capabilities"), "CAP_SYS_NICE"))
    return place + "/capabilities: with CAP_SYS_NICE";
  const ordered_json* rlimits = member(process, "rlimits");
  for (std::size_t i = 0; rlimits != nullptr && rlimits->is_array() && i < rlimits->size(); ++i) {
    const ordered_json& rlimit = (*rlimits)[i];
    const ordered_json* hard = member(rlimit, "hard");
    if (text_member(rlimit, "type") == kRealTimePriority && hard != nullptr && *hard != 0)
      return std::string(place).append("/rlimits/").append(std::to_string(i)).append(": with RLIMIT_RTPRIO");
  }
  const ordered_json* scheduler = member(process, "scheduler");
  const std::string policy = scheduler == nullptr ? std::string() : text_member(*scheduler, "policy");
  for (const std::string_view real_time : {"SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE"}) {
    if (policy == real_time) return std::string(place).append("/scheduler: with ").append(policy);
  }
  return {};
}

tl::unexpected<Error> runs_in_real_time(const std::string& what) {
  return fail(
      what +
      " the container runs as a real-time process, which the policy's /limits/cpus does not hold: take it "
      "away, or the limit");
}

Status check_real_time(const Input& input) {
  if (!input.limits.cpu_time) return {};
  if (input.surroundings.real_time) return started_in_real_time();
  const ordered_json* process = member(input.config, "process");
  const std::string what =
      process == nullptr ? "" : real_time_right(*process, "/process", has_initial_capabilities(input));
  if (what.empty()) return {};
  return runs_in_real_time(what);
}

struct Check {
  std::string_view name;
  Status (*run)(const Input&);
};
constexpr Check kChecks[] = {
    {"unified", check_unified_files},
    {"systemd properties", check_systemd_properties},
    {"subgroups", check_subgroups},
    {"cgroup mounts", check_cgroup_mounts},
    {"names of capabilities", check_names_of_capabilities},
    {"CAP_SYS_RESOURCE", check_open_files_capability},
    {"other processes", check_other_processes},
    {"timeout", check_timeout},
    {"real time", check_real_time},
};

}  // namespace

bool holds_limits(const Policy& policy) { return policy.limits && policy.mode != Mode::kAudit; }

Status check_limits(const Policy& policy, const ordered_json& config,
                    const runtime::Surroundings& surroundings) {
  if (!holds_limits(policy)) return {};
  for (const Check& check : kChecks) TRY(check.run({*policy.limits, config, surroundings}));
  return {};
}

Status check_unified(const Limits& limits, const ordered_json& resources, const std::string& place) {
  const ordered_json* unified = member(resources, "unified");
  if (unified == nullptr) return {};
  for (const UnifiedFile& file : kUnifiedFiles) {
    if (!file.has(limits) || member(*unified, std::string(file.name).c_str()) == nullptr) continue;
    std::string text = place;
    text.append("/unified/")
        .append(file.name)
        .append(" would replace what the policy's ")
        .append(file.pointer);
    text.append(" becomes: write it as ").append(place).append("/").append(file.instead);
    return fail(text.append(", of which the tighter counts, or leave it out"));
  }
  return {};
}

Status check_executed_in_real_time(const ordered_json& process, const std::string& place) {
  // Whether its capabilities count is not known here.
  const std::string what = real_time_right(process, place, /*initial_capabilities=*/false);
  if (what.empty()) return {};
  return runs_in_real_time(what);
}

tl::unexpected<Error> started_in_real_time() {
  return fail(
      "/limits/cpus: who starts the container has a real-time scheduling class, which it inherits and no "
      "quota "
      "holds: start it under SCHED_OTHER (chrt --other 0), or take the limit out of the policy");
}

Status check_executed_cgroup(const Limits& limits, const std::string& cgroup) {
  if (!limits.needs_cgroup() || !leads_up(cgroup.substr(cgroup.rfind(':') + 1))) return {};
  return fail("--cgroup: " + cgroup + " leads out of the cgroup that holds the policy's " + place_of(limits) +
              ": expected a path without \"..\"");
}

}  // namespace tidewaiter::policy
