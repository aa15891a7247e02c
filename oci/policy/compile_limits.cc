#include "oci/policy/compile_limits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "oci/policy/byte_size.h"
#include "oci/policy/check_limits.h"
#include "oci/policy/cpu_list.h"
#include "oci/policy/duration.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"
#include "oci/spec/open_files.h"

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

constexpr const char* kResources = "/linux/resources";

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

PlanRow row(Mechanism mechanism, const char* pointer, std::string what, std::string note) {
  return {.pointer = pointer,
          .what = std::move(what),
          .mechanism = mechanism,
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
  return row(Mechanism::kCgroup, "/limits/memory", memory_words(limits),
             note("its processes are killed", chosen, byte_size_words(chosen.value)));
}

std::string processes_words(const Limits& limits) {
  return "at most " + std::to_string(*limits.processes) + " processes and threads";
}

Result<PlanRow> apply_processes(const Limits& limits, ordered_json& resources, const std::string& parent) {
  ordered_json& pids = *TRY(spec::object_in(resources, "pids", parent));
  const Tighter limit = tighter(*limits.processes, TRY(spec::signed_in(pids, "limit", parent + "/pids")));
  pids["limit"] = limit.value;
  return row(Mechanism::kCgroup, "/limits/processes", processes_words(limits),
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
  return row(
      Mechanism::kCgroup, "/limits/cpus", cpus_words(limits),
      note("everything in the container waits; no quota holds real-time classes, so RLIMIT_RTPRIO is 0",
           chosen, cpus_words(own)));
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

std::string processors_words(const Limits& limits) {
  const Processors& wanted = *limits.processors;
  if (!wanted.these.empty()) return "no processors but " + cpu_list_text(wanted.these);
  return wanted.count == 1 ? "one processor" : "at most " + std::to_string(wanted.count) + " processors";
}

// Of those that whoever starts the runtime may run on, the ones that the container can have; these where
// there are none.
std::set<unsigned> processors_at_hand(const runtime::Surroundings& surroundings) {
  const auto online = parse_cpu_list(surroundings.online);
  if (!online) return surroundings.processors;
  std::set<unsigned> both;
  std::set_intersection(online->begin(), online->end(), surroundings.processors.begin(),
                        surroundings.processors.end(), std::inserter(both, both.end()));
  return both.empty() ? *online : both;
}

// Of the bundle's processors, or of all where it names none, those that the policy leaves.
Result<std::set<unsigned>> chosen_processors(const Processors& wanted, const std::string& own,
                                             const std::string& place,
                                             const runtime::Surroundings& surroundings) {
  std::set<unsigned> given = processors_at_hand(surroundings);
  if (!own.empty()) given = TRY(in_context(place, parse_cpu_list(own)));
  std::set<unsigned> chosen;
  if (wanted.these.empty()) {
    for (const unsigned number : given) {
      if (chosen.size() < wanted.count) chosen.insert(number);
    }
    if (chosen.empty()) return fail("/identity/cpus: which processors there are is not known");
    return chosen;
  }
  if (own.empty()) return wanted.these;
  std::set_intersection(given.begin(), given.end(), wanted.these.begin(), wanted.these.end(),
                        std::inserter(chosen, chosen.end()));
  if (chosen.empty()) {
    return fail(place + ": expected one at least of the processors " + cpu_list_text(wanted.these) +
                ", which the policy's /identity/cpus leaves, found \"" + own + "\"");
  }
  return chosen;
}

Result<PlanRow> apply_processors(const Limits& limits, const runtime::Surroundings& surroundings,
                                 ordered_json& resources, const std::string& parent) {
  ordered_json& cpu = *TRY(spec::object_in(resources, "cpu", parent));
  const std::string place = parent + "/cpu/cpus";
  if (const ordered_json* own = member(cpu, "cpus"); own != nullptr && !own->is_string())
    return fail(place + ": expected text, as in \"0-3\", found " + spec::dump_json(*own, -1));
  const std::string own = text_member(cpu, "cpus");
  const std::string chosen =
      cpu_list_text(TRY(chosen_processors(*limits.processors, own, place, surroundings)));
  cpu["cpus"] = chosen;
  return row(
      Mechanism::kCgroup, "/identity/cpus", processors_words(limits),
      "here " + chosen + (own.empty() ? "" : ", of the bundle's " + own) +
          ", as sched_getaffinity(2) says; and /proc/cpuinfo and /sys/devices/system/cpu, where they are "
          "mounted, but not /proc/stat, the folders below /sys/devices/system, and the processors "
          "themselves");
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
  return row(Mechanism::kRuntime, "/limits/open_files", open_files_words(limits),
             note("opening fails with EMFILE; of processes that are executed in it as well, where tidewaiter "
                  "stands in front of the runtime",
                  {own, own < most}, std::to_string(own)));
}

std::string timeout_words(const Limits& limits) {
  return "stopped when it has been there for " + duration_words(*limits.timeout);
}

PlanRow describe_timeout(const Limits& limits) {
  return row(Mechanism::kAgent, "/limits/timeout", timeout_words(limits),
             "from its creation on, by the clock on the wall; its first process gets its stop signal, and " +
                 duration_words(Limits::kStopGrace) + " later SIGKILL, with which all others end");
}

// One limit of the file: how it is put into words, and into the bundle.
struct Entry {
  const char* pointer;
  HasLimit has;
  std::string_view controller;  // of the cgroup that holds it; empty: none has to
  std::string (*words)(const Limits&);
};
constexpr Entry kEntries[] = {
    {"/limits/memory", kHas<&Limits::memory>, "memory", memory_words},
    {"/limits/processes", kHas<&Limits::processes>, "pids", processes_words},
    {"/limits/cpus", kHas<&Limits::cpu_time>, "cpu", cpus_words},
    {"/limits/open_files", kHas<&Limits::open_files>, "", open_files_words},
    {"/limits/timeout", kHas<&Limits::timeout>, "", timeout_words},
    {"/identity/cpus", kHas<&Limits::processors>, "cpuset", processors_words},
};

std::vector<PlanRow> rows_in_audit(const Limits& limits) {
  std::vector<PlanRow> rows;
  for (const Entry& entry : kEntries) {
    if (!entry.has(limits)) continue;
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
    if (entry.controller.empty() || !entry.has(limits) || !concerns(entry)) continue;
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
  const bool named = !spec::cgroup_of(config).empty();
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

// Under cgroup version 1 the kernel would say EINVAL. Under version 2 it gives a cgroup none of whose
// processors is there those of its parent (Documentation/admin-guide/cgroup-v2.rst, "cpuset.cpus.effective").
Status check_processors(const Limits& limits, const ordered_json& config,
                        const runtime::Surroundings& found) {
  if (!limits.processors) return {};
  const std::set<unsigned>& these = limits.processors->these;
  const ordered_json* linux_part = member(config, "linux");
  const ordered_json* resources = linux_part == nullptr ? nullptr : member(*linux_part, "resources");
  const ordered_json* cpu = resources == nullptr ? nullptr : member(*resources, "cpu");
  const std::string own = cpu == nullptr ? "" : text_member(*cpu, "cpus");
  if (these.empty() && own.empty()) return {};
  const auto online = TRY(in_context(found.online_file, parse_cpu_list(found.online)));
  if (!std::includes(online.begin(), online.end(), these.begin(), these.end())) {
    return fail("/identity/cpus: expected some of the machine's processors, " + cpu_list_text(online) + " (" +
                found.online_file + "), found " + cpu_list_text(these));
  }
  if (own.empty()) return {};
  const std::string place = std::string(kResources) + "/cpu/cpus";
  const std::set<unsigned> chosen = TRY(chosen_processors(*limits.processors, own, place, found));
  const auto is_online = [&online](unsigned number) { return online.contains(number); };
  if (std::any_of(chosen.begin(), chosen.end(), is_online)) return {};
  return fail(place + ": expected some of the machine's processors, " + cpu_list_text(online) + " (" +
              found.online_file + "), found \"" + own + "\": of these /identity/cpus would leave " +
              cpu_list_text(chosen) + ", and where none is there the kernel gives all");
}

}  // namespace

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
    if (limits.processors) rows.push_back(TRY(apply_processors(limits, surroundings, resources, kResources)));
  }
  if (limits.open_files) rows.push_back(TRY(apply_open_files(limits, surroundings, config)));
  if (limits.timeout) rows.push_back(describe_timeout(limits));
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
  if (limits.processors && speaks_of("cpu", {"cpus"})) TRY(apply_processors(limits, {}, resources, ""));
  return {};
}

Status check_machine(const Policy& policy, const ordered_json& config, const runtime::Traits& runtime,
                     const runtime::Surroundings& surroundings) {
  if (!holds_limits(policy) || !policy.limits->needs_cgroup()) return {};
  TRY(check_cgroups(*policy.limits, config, runtime, surroundings));
  return check_processors(*policy.limits, config, surroundings);
}

}  // namespace tidewaiter::policy
