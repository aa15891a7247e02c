#include "oci/policy/compile_limits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "oci/policy/byte_size.h"
#include "oci/spec/members.h"
#include "oci/spec/open_files.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using spec::member;

constexpr std::uint64_t kLeastQuota = 1'000;  // microseconds; min_cfs_quota_period in kernel/sched/core.c

// --- does the bundle go together with limits? -------------------------------------------------------

struct Input {
  const Limits& limits;
  const ordered_json& config;
  const runtime::Surroundings& surroundings;
};

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

Status check_unified(const Input& input) {
  const ordered_json* resources = resources_of(input.config);
  const ordered_json* unified = resources == nullptr ? nullptr : member(*resources, "unified");
  if (unified == nullptr) return {};
  for (const UnifiedFile& file : kUnifiedFiles) {
    if (!(input.limits.*file.limit) || member(*unified, std::string(file.name).c_str()) == nullptr) continue;
    return fail("/linux/resources/unified/" + std::string(file.name) + " would replace what the policy's " +
                std::string(file.pointer) + " becomes: write it as /linux/resources/" +
                std::string(file.instead) + ", of which the tighter counts, or leave it out");
  }
  return {};
}

// crun and runc hand properties of these names to systemd, which holds to them whenever it looks again.
constexpr std::string_view kSystemdProperty = "org.systemd.property.";
constexpr std::string_view kLimitingProperties[] = {"CPU", "DisableControllers", "Memory", "Tasks"};

Status check_systemd_properties(const Input& input) {
  const ordered_json* annotations = member(input.config, "annotations");
  if (!input.limits.needs_cgroup() || annotations == nullptr || !annotations->is_object()) return {};
  for (const auto& [key, value] : annotations->items()) {
    if (!key.starts_with(kSystemdProperty)) continue;
    const std::string_view property = std::string_view(key).substr(kSystemdProperty.size());
    const auto begins = [property](std::string_view name) { return property.starts_with(name); };
    if (std::none_of(std::begin(kLimitingProperties), std::end(kLimitingProperties), begins)) continue;
    return fail("the annotation " + key +
                " would have systemd set another limit than the policy's /limits: take the annotation away");
  }
  return {};
}

std::vector<std::string> options_of(const ordered_json& mount) {
  std::vector<std::string> options;
  const ordered_json* list = member(mount, "options");
  if (list == nullptr || !list->is_array()) return options;
  for (const ordered_json& option : *list) {
    if (option.is_string()) options.push_back(option.get<std::string>());
  }
  return options;
}

std::string text_of(const ordered_json& object, const char* key) {
  const ordered_json* found = member(object, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_below(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder == "/" ? folder : folder + "/");
}

// Whether the container could write to its cgroup's files there. A bind mount that is read-only leaves what
// is mounted below its source as it is.
bool shows_writable_cgroups(const ordered_json& mount) {
  constexpr const char* kCgroups = "/sys/fs/cgroup";
  const std::vector<std::string> options = options_of(mount);
  bool read_only = false;
  bool all_read_only = false;
  bool recursive = false;
  bool bind = false;
  for (const std::string& option : options) {
    if (option == "ro") read_only = true;
    if (option == "rw") read_only = false;
    if (option == "rro") all_read_only = true;
    if (option == "rrw") all_read_only = false;
    bind = bind || option == "bind" || option == "rbind";
    recursive = recursive || option == "rbind";
  }
  const std::string type = text_of(mount, "type");
  if (type == "cgroup" || type == "cgroup2") return !read_only && !all_read_only;
  if ((type != "bind" && !bind) || all_read_only) return false;
  const std::string source = std::filesystem::path(text_of(mount, "source")).lexically_normal();
  if (is_below(source, kCgroups)) return !read_only;
  std::string folder = source.ends_with('/') && source != "/" ? source.substr(0, source.size() - 1) : source;
  return recursive && is_below(kCgroups, folder);
}

Status check_cgroup_mounts(const Input& input) {
  const ordered_json* mounts = member(input.config, "mounts");
  if (!input.limits.needs_cgroup() || mounts == nullptr || !mounts->is_array()) return {};
  for (std::size_t i = 0; i < mounts->size(); ++i) {
    if (!shows_writable_cgroups((*mounts)[i])) continue;
    return fail(
        "/mounts/" + std::to_string(i) +
        ": through it the container could write another limit into its cgroup than the policy's /limits: "
        "make it read-only (\"ro\", or \"rro\" where it holds other mounts)");
  }
  return {};
}

// Whether the process has a capability of the initial user namespace, the only one the kernel asks about
// where limits are raised.
bool has_capability(const Input& input, std::string_view name) {
  if (!input.surroundings.initial_root) return false;
  const ordered_json* linux_part = member(input.config, "linux");
  const ordered_json* namespaces = linux_part == nullptr ? nullptr : member(*linux_part, "namespaces");
  if (namespaces != nullptr && namespaces->is_array() &&
      std::any_of(namespaces->begin(), namespaces->end(),
                  [](const ordered_json& one) { return text_of(one, "type") == "user"; })) {
    return false;
  }
  const ordered_json* process = member(input.config, "process");
  const ordered_json* capabilities = process == nullptr ? nullptr : member(*process, "capabilities");
  if (capabilities == nullptr || !capabilities->is_object()) return false;
  // crun knows them in lower case too.
  const auto is_it = [name](const ordered_json& one) {
    if (!one.is_string()) return false;
    const auto& text = one.get_ref<const std::string&>();
    return std::equal(text.begin(), text.end(), name.begin(), name.end(),
                      [](char a, char b) { return ('a' <= a && a <= 'z' ? a - 'a' + 'A' : a) == b; });
  };
  return std::any_of(capabilities->begin(), capabilities->end(), [&](const ordered_json& set) {
    return set.is_array() && std::any_of(set.begin(), set.end(), is_it);
  });
}

Status check_open_files_capability(const Input& input) {
  if (!input.limits.open_files || !has_capability(input, "CAP_SYS_RESOURCE")) return {};
  return fail(
      "/process/capabilities: with CAP_SYS_RESOURCE the container raises what the policy's "
      "/limits/open_files "
      "sets: take the capability away, or the limit");
}

// The kernel holds processes of a real-time class to no quota.
Status check_real_time(const Input& input) {
  if (!input.limits.cpu_time) return {};
  std::string what;
  if (has_capability(input, "CAP_SYS_NICE")) what = "/process/capabilities: with CAP_SYS_NICE";
  const ordered_json* process = member(input.config, "process");
  const ordered_json* rlimits = process == nullptr ? nullptr : member(*process, "rlimits");
  if (rlimits != nullptr && rlimits->is_array()) {
    for (std::size_t i = 0; i < rlimits->size(); ++i) {
      const ordered_json& rlimit = (*rlimits)[i];
      if (text_of(rlimit, "type") != "RLIMIT_RTPRIO") continue;
      const ordered_json* hard = member(rlimit, "hard");
      if (hard != nullptr && *hard != 0)
        what = "/process/rlimits/" + std::to_string(i) + ": with RLIMIT_RTPRIO";
    }
  }
  const ordered_json* scheduler = process == nullptr ? nullptr : member(*process, "scheduler");
  const std::string policy = scheduler == nullptr ? std::string() : text_of(*scheduler, "policy");
  for (const std::string_view real_time : {"SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE"}) {
    if (policy == real_time) what = "/process/scheduler: with " + policy;
  }
  if (what.empty()) return {};
  return fail(
      what +
      " the container runs as a real-time process, which the policy's /limits/cpus does not hold: take it "
      "away, or the limit");
}

struct Check {
  std::string_view name;
  Status (*run)(const Input&);
};
constexpr Check kChecks[] = {
    {"unified", check_unified},
    {"systemd properties", check_systemd_properties},
    {"cgroup mounts", check_cgroup_mounts},
    {"CAP_SYS_RESOURCE", check_open_files_capability},
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
Result<PlanRow> apply_memory(const Limits& limits, ordered_json& resources) {
  const std::string place = "/linux/resources/memory";
  ordered_json& memory = *TRY(spec::object_in(resources, "memory", "/linux/resources"));
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

Result<PlanRow> apply_processes(const Limits& limits, ordered_json& resources) {
  ordered_json& pids = *TRY(spec::object_in(resources, "pids", "/linux/resources"));
  const Tighter limit =
      tighter(*limits.processes, TRY(spec::signed_in(pids, "limit", "/linux/resources/pids")));
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
Result<PlanRow> apply_cpus(const Limits& limits, ordered_json& resources) {
  const std::string place = "/linux/resources/cpu";
  ordered_json& cpu = *TRY(spec::object_in(resources, "cpu", "/linux/resources"));
  const std::int64_t own_quota = TRY(spec::signed_in(cpu, "quota", place)).value_or(0);
  std::uint64_t period = TRY(spec::unsigned_in(cpu, "period", place)).value_or(0);
  if (period == 0) period = Limits::kCpuPeriod;
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
    cpu["period"] = period;
  }
  return row("/limits/cpus", cpus_words(limits),
             note("everything in the container waits", chosen, cpus_words(own)));
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
  const bool named = linux_part != nullptr && !text_of(*linux_part, "cgroupsPath").empty();
  if (!found.initial_root && runtime.passes_over_cgroups && !named) {
    return not_held(all,
                    "an ordinary user's " + std::string(runtime.name) +
                        " does without where the bundle names none: name one that is delegated to you in "
                        "/linux/cgroupsPath, as podman does in a systemd session");
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
    if (limits.memory) rows.push_back(TRY(apply_memory(limits, resources)));
    if (limits.processes) rows.push_back(TRY(apply_processes(limits, resources)));
    if (limits.cpu_time) rows.push_back(TRY(apply_cpus(limits, resources)));
  }
  if (limits.open_files) rows.push_back(TRY(apply_open_files(limits, surroundings, config)));
  return rows;
}

Status check_machine(const Policy& policy, const ordered_json& config, const runtime::Traits& runtime,
                     const runtime::Surroundings& surroundings) {
  if (!holds_limits(policy) || !policy.limits->needs_cgroup()) return {};
  return check_cgroups(*policy.limits, config, runtime, surroundings);
}

}  // namespace tidewaiter::policy
