#include "oci/policy/compile_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "oci/base/landlock.h"
#include "oci/seccomp/profile.h"
#include "oci/spec/config.h"
#include "oci/spec/init_mount.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kLandlockCalls[] = {"landlock_create_ruleset", "landlock_add_rule",
                                               "landlock_restrict_self"};

// One list of the policy.
struct List {
  std::string_view key;  // "read"
  char letter;           // for tidewaiter-init
  std::optional<std::vector<FileRule>> FilesPolicy::*rules;
  std::uint64_t handled;
};
constexpr List kLists[] = {
    {"read", landlock::kReadLetter, &FilesPolicy::read, landlock::kHandledByRead},
    {"write", landlock::kWriteLetter, &FilesPolicy::write, landlock::kHandledByWrite},
    {"exec", landlock::kExecLetter, &FilesPolicy::exec, landlock::kHandledByExec},
};

std::uint64_t handled_rights(const FilesPolicy& files) {
  std::uint64_t rights = landlock::kHandledByAll;
  for (const List& list : kLists) {
    if (files.*list.rules) rights |= list.handled;
  }
  return rights;
}

// What a kernel has to have for all of the rights.
struct Needed {
  int version = 0;
  std::string_view kernel;
};
Needed needed_for(std::uint64_t rights) {
  constexpr Needed kVersions[] = {{2, "Linux 5.19"}, {3, "Linux 6.2"}, {5, "Linux 6.10"}};
  for (const Needed& one : kVersions) {
    if ((rights & ~landlock::known_rights(one.version)) == 0) return one;
  }
  return kVersions[2];
}

bool enforced(const Policy& policy) {
  return policy.files && policy.files->restricts() && policy.mode != Mode::kAudit;
}

std::string_view verb(const List& list) { return list.key == "exec" ? "execute" : list.key; }

// What stays possible on this kernel though the policy restricts it. Best effort only.
std::string_view unknown_right(std::uint64_t right) {
  switch (right) {
    case landlock::kRefer:
      return "no file can be moved or linked into another directory (Linux 5.19)";
    case landlock::kTruncate:
      return "truncate(2) works on every file, and so does open(2) with O_TRUNC for reading (Linux 6.2)";
    case landlock::kIoctlDevice:
      return "ioctl(2) works on every device that may be opened (Linux 6.10)";
    default:
      return {};
  }
}

}  // namespace

bool needs_init(const Policy& policy, const Listener& listener) {
  return enforced(policy) && (listener.landlock > 0 || !policy.files->best_effort);
}

Status check_files(const Policy& policy, const Listener& listener) {
  if (!enforced(policy)) return {};
  const std::uint64_t rights = handled_rights(*policy.files);
  const Needed needed = needed_for(rights);
  if ((rights & ~landlock::known_rights(listener.landlock)) != 0 && !policy.files->best_effort) {
    const std::string here = listener.landlock == 0 ? "there is none here"
                                                    : "here is version " + std::to_string(listener.landlock);
    return fail("/files: needs Landlock of version " + std::to_string(needed.version) + " (" +
                std::string(needed.kernel) + "), and " + here +
                "; \"best_effort\": true goes without what the kernel cannot do");
  }
  for (const SyscallRule& rule : policy.syscalls) {
    if (rule.action != Action::kErrno && rule.action != Action::kKill) continue;
    for (const std::string& name : rule.names) {
      const bool landlock =
          std::find(std::begin(kLandlockCalls), std::end(kLandlockCalls), name) != std::end(kLandlockCalls);
      if (landlock || (name == "prctl" && rule.args.empty()))
        return fail(rule.pointer + ": `" + name +
                    "` cannot be refused beside /files: each process restricts itself by it, before its "
                    "program begins");
    }
  }
  return {};
}

std::vector<std::string> init_arguments(const FilesPolicy& files) {
  std::string lists;
  std::vector<std::string> rules;
  for (const List& list : kLists) {
    const auto& paths = files.*list.rules;
    if (!paths) continue;
    lists += list.letter;
    for (const FileRule& rule : *paths) rules.push_back(list.letter + rule.path);
  }
  if (files.best_effort) lists += landlock::kBestEffort;
  rules.insert(rules.begin(), lists);
  rules.emplace_back(landlock::kEndOfRules);
  return rules;
}

Result<std::vector<std::string>> allow_landlock(ordered_json& config) {
  std::vector<std::string> missing;
  const ordered_json::json_pointer place("/linux/seccomp");
  if (!config.contains(place) || config.at(place).is_null()) return missing;
  ordered_json& own = config.at(place);
  const seccomp::Profile profile = TRY(in_context("/linux/seccomp", seccomp::parse_profile(own)));
  for (const std::string_view name : kLandlockCalls) {
    bool always = profile.default_action.allows();
    bool named = false;
    for (const seccomp::ProfileRule& rule : profile.rules) {
      if (std::find(rule.names.begin(), rule.names.end(), name) == rule.names.end()) continue;
      named = true;
      if (!rule.action.allows())
        return fail(
            "/linux/seccomp: the bundle's own profile refuses `" + std::string(name) +
            "`, by which /files is enforced: take it out of the profile, or /files out of the policy");
      always = always || rule.args.empty();
    }
    if (!always && named)
      return fail("/linux/seccomp: the bundle's own profile allows `" + std::string(name) +
                  "`, by which /files is enforced, with some arguments only");
    if (!always) missing.emplace_back(name);
  }
  if (missing.empty()) return missing;
  ordered_json& rules = own["syscalls"];
  if (rules.is_null()) rules = ordered_json::array();
  rules.push_back({{"names", missing}, {"action", "SCMP_ACT_ALLOW"}});
  return missing;
}

Status check_init(const std::string& init_program) {
  if (!init_program.empty()) return {};
  return fail(
      "/files: there is no tidewaiter-init to enforce it, which lies beside tidewaiter, on x86-64; podman's "
      "hook cannot use it, for nobody asks it about what is executed in the container later");
}

Result<std::vector<std::string>> put_init(ordered_json& config, const FilesPolicy& files,
                                          const Listener& listener) {
  TRY(check_init(listener.init_program));
  if (!spec::is_utf8(listener.init_program))
    return fail("the path is not UTF-8, as config.json has to be: " + listener.init_program);
  std::vector<std::string> arguments = init_arguments(files);
  arguments.insert(arguments.begin(), TRY(spec::bind_init(config, listener.init_program)));
  const auto process = config.find("process");
  if (process != config.end() && !process->is_null())
    TRY(in_context("/process", spec::put_before(*process, arguments)));
  return arguments;
}

std::vector<PlanRow> files_rows(const Policy& policy, const Listener& listener,
                                const std::vector<std::string>& allowed) {
  std::vector<PlanRow> rows;
  if (!policy.files || !policy.files->restricts()) return rows;
  const bool held = needs_init(policy, listener);
  const Mechanism who = held ? Mechanism::kLandlock : Mechanism::kNobody;
  const std::string_view unheld = held ? ""
                                  : policy.mode == Mode::kAudit
                                      ? "not seen (audit): the kernel does not report what it would refuse"
                                      : "best effort: this kernel has no Landlock";
  for (const List& list : kLists) {
    const auto& rules = policy.files.value().*list.rules;
    if (!rules) continue;
    const std::string action(verb(list));
    for (const FileRule& rule : *rules) {
      rows.push_back({.pointer = rule.pointer,
                      .what = action + " " + rule.path + " and what lies below it: allowed",
                      .mechanism = who,
                      .cost = "none",
                      .note = std::string(unheld)});
    }
    rows.push_back({.pointer = "/files/" + std::string(list.key),
                    .what = action + " anything else: fails with EACCES",
                    .mechanism = who,
                    .cost = "none",
                    .note = std::string(unheld)});
  }
  if (!held) return rows;

  const auto add = [&rows](Origin origin, std::string what, Mechanism mechanism, std::string cost,
                           std::string note) {
    rows.push_back({"", std::move(what), mechanism, std::move(cost), std::move(note), origin});
  };
  add(Origin::kFiles, "tidewaiter-init, before the container's program and each that is executed in it",
      Mechanism::kRuntime, "less than a millisecond per start", "restricts itself, and becomes that program");
  add(Origin::kFiles, "no_new_privs, for every process", Mechanism::kLandlock, "none",
      "set-user-ID programs and file capabilities give nothing, as under noNewPrivileges: nobody may get "
      "more "
      "rights than those who were restricted");
  add(Origin::kFiles, "mount, umount2, pivot_root and the like: fail with EPERM", Mechanism::kLandlock,
      "none", "Landlock's rules are on what is mounted where");
  if (!allowed.empty()) {
    std::string names;
    for (const std::string& name : allowed) names += (names.empty() ? "" : ", ") + name;
    add(Origin::kFiles, names + ": allowed", Mechanism::kFilter, "none",
        "the bundle's own profile does not know these calls; they only restrict who makes them");
  }
  for (std::uint64_t missing = handled_rights(*policy.files) & ~landlock::known_rights(listener.landlock);
       missing != 0; missing &= missing - 1) {
    add(Origin::kLeftOpen, "this kernel's Landlock is of version " + std::to_string(listener.landlock),
        Mechanism::kNobody, "none", std::string(unknown_right(missing & ~(missing - 1))));
  }
  if (policy.files->exec) {
    const bool named_only = policy.exec && policy.exec->allow;
    add(Origin::kLeftOpen, "programs in memory", Mechanism::kNobody, "none",
        named_only
            ? "a process may load code by itself (mmap); what it executes of memfd_create, /exec decides on"
            : "what memfd_create makes has no path, and a process may load code by itself (mmap)");
  }
  add(Origin::kLeftOpen, "what files are called, whose they are, and when they changed", Mechanism::kNobody,
      "none",
      "Landlock does not restrict stat, readlink, chdir, chmod, chown, setxattr, utimensat and inotify");
  add(Origin::kLeftOpen, "descriptors that a process has or is sent", Mechanism::kNobody, "none",
      "a file is decided on when it is opened; so the container's own standard streams stay what they are");
  return rows;
}

}  // namespace tidewaiter::policy
