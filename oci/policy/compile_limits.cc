#include "oci/policy/compile_limits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "oci/policy/byte_size.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"
#include "oci/spec/open_files.h"
#include "oci/spec/procfs_mount.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using spec::member;
using spec::text_member;

// Microseconds: min_cfs_quota_period and max_cfs_quota_period in kernel/sched/core.c.
constexpr std::uint64_t kLeastQuota = 1'000;
constexpr std::uint64_t kLeastPeriod = 1'000;
constexpr std::uint64_t kMostPeriod = 1'000'000;

constexpr const char* kRealTimePriority = "RLIMIT_RTPRIO";

// --- does the bundle go together with limits? -------------------------------------------------------

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
  std::optional<std::uint64_t> Limits::*limit;
};
constexpr UnifiedFile kUnifiedFiles[] = {
    {"memory.max", "/limits/memory", "memory/limit", &Limits::memory},
    {"memory.swap.max", "/limits/memory", "memory/swap", &Limits::memory},
    {"pids.max", "/limits/processes", "pids/limit", &Limits::processes},
    {"cpu.max", "/limits/cpus", "cpu/quota and cpu/period", &Limits::cpu_time},
    {"cpu.max.burst", "/limits/cpus", "cpu/burst", &Limits::cpu_time},
};

Status check_unified(const Limits& limits, const ordered_json& resources, const std::string& place) {
  const ordered_json* unified = member(resources, "unified");
  if (unified == nullptr) return {};
  for (const UnifiedFile& file : kUnifiedFiles) {
    if (!(limits.*file.limit) || member(*unified, std::string(file.name).c_str()) == nullptr) continue;
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

Status check_unified(const Input& input) {
  const ordered_json* resources = resources_of(input.config);
  return resources == nullptr ? Status() : check_unified(input.limits, *resources, kResources);
}

// crun and runc hand properties of these names to systemd, which holds to them whenever it looks again.
constexpr std::string_view kSystemdProperty = "org.systemd.property.";
constexpr std::string_view kStartup = "Startup";
constexpr std::string_view kLimitingProperties[] = {"CPU", "DisableControllers", "Memory", "Tasks"};

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
    return fail("the annotation " + key +
                " would have systemd set another limit than the policy's /limits: take the annotation away");
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

constexpr std::string_view kMakeReadOnly =
    ": through it the container could write another limit into its cgroup than the policy's /limits: make it "
    "read-only";

// What is bound from `text`, at `place` of the bundle.
Status check_source(const Input& input, const std::string& text, const std::string& place, bool recursive,
                    const Writing& writing) {
  if (writing.refused_everywhere || (writing.refused && !recursive)) return {};
  const auto found = input.surroundings.sources.find(text);
  const bool looked = found != input.surroundings.sources.end();
  if (!looked || !found->second.unseen.empty()) {
    return fail(place +
                ": expected a source that can be looked at, since it may show cgroups, or \"rro\", found " +
                spec::dump_json(text, -1) + ": " + (looked ? found->second.unseen : "nobody looked at it"));
  }
  const runtime::Source& source = found->second;
  if (source.cgroup && !writing.refused)
    return fail(place + std::string(kMakeReadOnly) + " (\"ro\", or \"rro\" where it holds other mounts)");
  // A bind mount that is read-only leaves what is mounted below its source as it is.
  if (recursive && source.holds_cgroups)
    return fail(place + std::string(kMakeReadOnly) +
                " with what is mounted below it (\"rro\"; \"ro\" is not enough)");
  return {};
}

Status check_cgroup_mounts(const Input& input) {
  if (!input.limits.needs_cgroup()) return {};
  if (const ordered_json* root = member(input.config, "root")) {
    const std::string path = text_member(*root, "path");
    // Runtimes bind it onto itself, with all that is mounted below.
    if (!path.empty()) TRY(check_source(input, path, "/root/path", true, Writing{}));
  }
  const ordered_json* mounts = member(input.config, "mounts");
  if (mounts == nullptr || !mounts->is_array()) return {};
  for (std::size_t i = 0; i < mounts->size(); ++i) {
    const ordered_json& mount = (*mounts)[i];
    const std::string place = "/mounts/" + std::to_string(i);
    const Writing writing = writing_to(mount);
    const std::string type = text_member(mount, "type");
    if ((type == "cgroup" || type == "cgroup2") && !writing.refused)
      return fail(place + std::string(kMakeReadOnly) + " (\"ro\")");
    if (spec::is_bind(mount))
      TRY(check_source(input, text_member(mount, "source"), place, spec::is_recursive(mount), writing));
  }
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
      "(/proc/PID/root), and could write another limit than the policy's /limits: take the capability "
      "away, or give it a pid namespace of its own, as in {\"type\": \"pid\"}, and no /proc of the host's");
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
    if (policy == real_time) return place + "/scheduler: with " + policy;
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
    {"unified", check_unified},
    {"systemd properties", check_systemd_properties},
    {"cgroup mounts", check_cgroup_mounts},
    {"names of capabilities", check_names_of_capabilities},
    {"CAP_SYS_RESOURCE", check_open_files_capability},
    {"other processes", check_other_processes},
    {"real time", check_real_time},
};

// --- the tighter of two -----------------------------------------------------------------------------

// What a limit comes to, and whether that is the bundle's own.
struct Tighter {
  std::uint64_t value = 0;
  bool own = false;
};

// Negative is "no limit" in the runtime-spec, and 0 to runc; crun writes 0 into a memory limit, under which
// nothing runs.
Tighter tighter(std::uint64_t limit, std::optional<std::int64_t> own) {
  if (!own || *own <= 0 || static_cast<std::uint64_t>(*own) > limit) return {limit, false};
  return {static_cast<std::uint64_t>(*own), static_cast<std::uint64_t>(*own) < limit};
}

std::string note(std::string_view beyond, const Tighter& chosen, const std::string& own_words) {
  return "beyond it " + std::string(beyond) +
         (chosen.own ? "; the bundle's own limit, " + own_words + ", is tighter" : "");
}

PlanRow row(const char* pointer, std::string what, std::string note) {
  return {.pointer = pointer,
          .what = std::move(what),
          .mechanism = Mechanism::kRuntime,
          .cost = "none",
          .note = std::move(note)};
}

// --- each limit -------------------------------------------------------------------------------------

std::string memory_words(const Limits& limits) {
  return "at most " + byte_size_words(*limits.memory) + " of memory and swap together";
}

// linux.resources.memory.swap is memory and swap together, in both versions of cgroups.
Result<PlanRow> apply_memory(const Limits& limits, ordered_json& resources, const std::string& parent) {
  const std::string place = parent + "/memory";
  ordered_json& memory = *TRY(spec::object_in(resources, "memory", parent));
  const auto own_limit = TRY(spec::signed_in(memory, "limit", place));
  const auto own_both = TRY(spec::signed_in(memory, "swap", place));
  const Tighter limit = tighter(*limits.memory, own_limit);
  const Tighter both = tighter(*limits.memory, own_both);
  // Runtimes refuse less of both together than of memory.
  const Tighter chosen = both.value < limit.value ? both : limit;
  memory["limit"] = chosen.value;
  // crun takes 0 for no swap at all under cgroup v2, runc for nothing said: no swap is the tighter.
  memory["swap"] = own_both == 0 ? chosen.value : both.value;
  return row("/limits/memory", memory_words(limits),
             note("its processes are killed", chosen, byte_size_words(chosen.value)));
}

std::string processes_words(const Limits& limits) {
  return "at most " + std::to_string(*limits.processes) + " processes and threads";
}

Result<PlanRow> apply_processes(const Limits& limits, ordered_json& resources, const std::string& parent) {
  ordered_json& pids = *TRY(spec::object_in(resources, "pids", parent));
  const Tighter limit = tighter(*limits.processes, TRY(spec::signed_in(pids, "limit", parent + "/pids")));
  pids["limit"] = limit.value;
  return row("/limits/processes", processes_words(limits),
             note("fork(2) and clone(2) fail with EAGAIN", limit, std::to_string(limit.value)));
}

// 1.5, of microseconds in a period.
std::string cpus_words(double cpus) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), cpus).ptr;
  return {text.data(), end};
}

std::string cpus_words(const Limits& limits) {
  return "at most the time of " + cpus_words(static_cast<double>(*limits.cpu_time) / Limits::kCpuPeriod) +
         " processors";
}

// The bundle's period stays, for a longer one lets more be used at once; unless the quota would be less than
// the kernel takes.
Result<PlanRow> apply_cpus(const Limits& limits, ordered_json& resources, const std::string& parent) {
  const std::string place = parent + "/cpu";
  ordered_json& cpu = *TRY(spec::object_in(resources, "cpu", parent));
  const std::int64_t own_quota = TRY(spec::signed_in(cpu, "quota", place)).value_or(0);
  std::uint64_t period = TRY(spec::unsigned_in(cpu, "period", place)).value_or(0);
  if (period == 0) period = Limits::kCpuPeriod;
  if (period < kLeastPeriod || period > kMostPeriod) {
    return fail(place + "/period: expected " + std::to_string(kLeastPeriod) + " to " +
                std::to_string(kMostPeriod) + " microseconds, or 0 for the default, found " +
                std::to_string(period));
  }
  // What was saved up in earlier periods, and may be used beyond the quota.
  cpu.erase("burst");
  const double wanted = static_cast<double>(*limits.cpu_time) / Limits::kCpuPeriod;
  const double own = static_cast<double>(own_quota) / static_cast<double>(period);
  Tighter chosen{0, own_quota > 0 && own < wanted};
  if (!chosen.own) {
    const auto quota_in = [wanted](std::uint64_t length) {
      return static_cast<std::uint64_t>(wanted * static_cast<double>(length));
    };
    if (quota_in(period) < kLeastQuota) period = Limits::kCpuPeriod;
    cpu["quota"] = period == Limits::kCpuPeriod ? *limits.cpu_time : quota_in(period);
  }
  cpu["period"] = period;
  return row("/limits/cpus", cpus_words(limits),
             note("everything in the container waits", chosen, cpus_words(own)));
}

// What the bundle does not say is inherited from who starts the runtime, who may have a right to real-time
// classes.
Status shut_real_time(ordered_json& config) {
  if (member(config, "process") == nullptr) return {};
  ordered_json& process = *TRY(spec::object_in(config, "process", ""));
  ordered_json& rlimits = process["rlimits"];
  if (rlimits.is_null()) rlimits = ordered_json::array();
  if (!rlimits.is_array())
    return fail(std::string("/process/rlimits: expected an array, found ") + rlimits.type_name());
  const bool said = std::any_of(rlimits.begin(), rlimits.end(), [](const ordered_json& one) {
    return text_member(one, "type") == kRealTimePriority;
  });
  if (!said) rlimits.push_back({{"type", kRealTimePriority}, {"hard", 0}, {"soft", 0}});
  return {};
}

std::string open_files_words(const Limits& limits) {
  return "at most " + std::to_string(*limits.open_files) + " open files in each process";
}

Result<PlanRow> apply_open_files(const Limits& limits, const runtime::Surroundings& surroundings,
                                 ordered_json& config) {
  const std::uint64_t most = *limits.open_files;
  if (member(config, "process") == nullptr)
    return fail("/process is missing: /limits/open_files is about it");
  ordered_json& process = *TRY(spec::object_in(config, "process", ""));
  std::uint64_t own = surroundings.hard_open_files;
  if (TRY(spec::sets_open_files(process, "/process"))) {
    own = TRY(spec::most_open_files(process, "/process"));
    TRY(spec::lower_open_files(process, most, "/process"));
  } else {
    // Without an entry it would inherit these.
    spec::add_open_files(process, std::min(surroundings.soft_open_files, most), std::min(own, most));
  }
  return row("/limits/open_files", open_files_words(limits),
             note("opening fails with EMFILE; of processes that are executed in it as well, where tidewaiter "
                  "stands in front of the runtime",
                  {own, own < most}, std::to_string(own)));
}

// One limit of the file: how it is put into words, and into the bundle.
struct Entry {
  const char* pointer;
  std::optional<std::uint64_t> Limits::*limit;
  std::string_view controller;  // of the cgroup that holds it; empty: none has to
  std::string (*words)(const Limits&);
};
constexpr Entry kEntries[] = {
    {"/limits/memory", &Limits::memory, "memory", memory_words},
    {"/limits/processes", &Limits::processes, "pids", processes_words},
    {"/limits/cpus", &Limits::cpu_time, "cpu", cpus_words},
    {"/limits/open_files", &Limits::open_files, "", open_files_words},
};

std::vector<PlanRow> rows_in_audit(const Limits& limits) {
  std::vector<PlanRow> rows;
  for (const Entry& entry : kEntries) {
    if (!(limits.*entry.limit)) continue;
    rows.push_back({.pointer = entry.pointer,
                    .what = entry.words(limits) + " (audit: not held)",
                    .mechanism = Mechanism::kNobody,
                    .cost = "none",
                    .note = "nothing would report what goes beyond it"});
  }
  return rows;
}

// --- does the machine? ------------------------------------------------------------------------------

// The limits of the policy for which `concerns` holds: "/limits/memory, /limits/cpus".
template <typename Concerns>
std::string pointers(const Limits& limits, const Concerns& concerns) {
  std::string text;
  for (const Entry& entry : kEntries) {
    if (entry.controller.empty() || !(limits.*entry.limit) || !concerns(entry)) continue;
    text += (text.empty() ? "" : ", ") + std::string(entry.pointer);
  }
  return text;
}

std::string all_pointers(const Limits& limits) {
  return pointers(limits, [](const Entry& /*entry*/) { return true; });
}

tl::unexpected<Error> not_held(const std::string& pointers, const std::string& reason) {
  return fail(pointers + ": no cgroup would hold it: " + reason + ", or take it out of the policy");
}

// RLIMIT_NPROC and RLIMIT_AS are no way out: the one counts a user's processes, whatever the container they
// are in, and not those of root; the other counts addresses of one process, not the memory of all.
Status check_cgroups(const Limits& limits, const ordered_json& config, const runtime::Traits& runtime,
                     const runtime::Surroundings& found) {
  const std::string all = all_pointers(limits);
  if (found.makes_no_cgroup) {
    return not_held(all,
                    "the runtime is told to make none: leave out podman's --cgroups=disabled, or "
                    "--cgroup-manager=disabled");
  }
  if (found.cgroups == runtime::Cgroups::kNone) {
    return not_held(all, "there are none on /sys/fs/cgroup: mount them");
  }
  if (!found.initial_root && found.cgroups == runtime::Cgroups::kV1) {
    return not_held(
        all,
        "under version 1 an ordinary user has none: boot with systemd.unified_cgroup_hierarchy=1, run "
        "the container as root");
  }
  const ordered_json* linux_part = member(config, "linux");
  const bool named = linux_part != nullptr && !text_member(*linux_part, "cgroupsPath").empty();
  if (!found.initial_root && runtime.passes_over_cgroups && !named) {
    return not_held(all,
                    "an ordinary user's " + std::string(runtime.name) +
                        " does without where the bundle names none: name one that is delegated to you in "
                        "/linux/cgroupsPath, as podman does in a systemd session");
  }
  const std::string withheld =
      pointers(limits, [&found](const Entry& entry) { return found.withheld.contains(entry.controller); });
  if (!withheld.empty()) {
    return not_held(withheld,
                    "the machine has its controller, but does not delegate it to you: have systemd do so, by "
                    "Delegate=cpu cpuset io memory pids in a drop-in of user@.service, and log in again");
  }
  const std::string missing = pointers(
      limits, [&found](const Entry& entry) { return !found.controllers.contains(entry.controller); });
  if (!missing.empty()) {
    return not_held(
        missing,
        "the machine lacks its controller: look at /proc/cgroups, and whether the kernel was started "
        "with cgroup_disable");
  }
  if (limits.memory && !found.counts_swap) {
    return not_held("/limits/memory",
                    "the kernel does not count what is swapped: start it without swapaccount=0, or with "
                    "swapaccount=1 where that is not the default");
  }
  return {};
}

}  // namespace

bool holds_limits(const Policy& policy) { return policy.limits && policy.mode != Mode::kAudit; }

Status check_limits(const Policy& policy, const ordered_json& config,
                    const runtime::Surroundings& surroundings) {
  if (!holds_limits(policy)) return {};
  for (const Check& check : kChecks) TRY(check.run({*policy.limits, config, surroundings}));
  return {};
}

Result<std::vector<PlanRow>> apply_limits(const Policy& policy, const runtime::Surroundings& surroundings,
                                          ordered_json& config) {
  std::vector<PlanRow> rows;
  if (!policy.limits) return rows;
  const Limits& limits = *policy.limits;
  if (!holds_limits(policy)) return rows_in_audit(limits);
  if (limits.needs_cgroup()) {
    ordered_json& linux_part = *TRY(spec::object_in(config, "linux", ""));
    ordered_json& resources = *TRY(spec::object_in(linux_part, "resources", "/linux"));
    if (limits.memory) rows.push_back(TRY(apply_memory(limits, resources, kResources)));
    if (limits.processes) rows.push_back(TRY(apply_processes(limits, resources, kResources)));
    if (limits.cpu_time) {
      rows.push_back(TRY(apply_cpus(limits, resources, kResources)));
      TRY(shut_real_time(config));
    }
  }
  if (limits.open_files) rows.push_back(TRY(apply_open_files(limits, surroundings, config)));
  return rows;
}

Status hold_resources(const Limits& limits, ordered_json& resources) {
  if (!resources.is_object()) return fail(std::string("expected an object, found ") + resources.type_name());
  TRY(spec::check_resources_key_case(resources, ""));
  TRY(check_unified(limits, resources, ""));
  const auto speaks_of = [&resources](const char* key, std::initializer_list<const char*> members) {
    const ordered_json* part = member(resources, key);
    return part != nullptr &&
           (!part->is_object() || std::any_of(members.begin(), members.end(), [part](const char* one) {
             return member(*part, one) != nullptr;
           }));
  };
  if (limits.memory && speaks_of("memory", {"limit", "swap"})) TRY(apply_memory(limits, resources, ""));
  if (limits.processes && speaks_of("pids", {"limit"})) TRY(apply_processes(limits, resources, ""));
  if (limits.cpu_time && speaks_of("cpu", {"burst", "period", "quota"}))
    TRY(apply_cpus(limits, resources, ""));
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

Status check_machine(const Policy& policy, const ordered_json& config, const runtime::Traits& runtime,
                     const runtime::Surroundings& surroundings) {
  if (!holds_limits(policy) || !policy.limits->needs_cgroup()) return {};
  return check_cgroups(*policy.limits, config, runtime, surroundings);
}

}  // namespace tidewaiter::policy
