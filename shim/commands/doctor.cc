#include "shim/commands/doctor.h"

#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "oci/base/mountinfo.h"
#include "oci/container/policy_name.h"
#include "oci/policy/compile.h"
#include "oci/policy/load.h"
#include "oci/runtime/surroundings.h"
#include "shim/commands/commands.h"
#include "shim/own_options.h"
#include "shim/terminal_text.h"

namespace tidewaiter::shim {
namespace {

namespace po = boost::program_options;
using nlohmann::ordered_json;
using Findings = std::vector<Finding>;

Finding ok(std::string fact, std::string meaning) {
  return {Grade::kOk, std::move(fact), std::move(meaning), ""};
}
Finding warning(std::string fact, std::string meaning, std::string advice) {
  return {Grade::kWarning, std::move(fact), std::move(meaning), std::move(advice)};
}
Finding failure(std::string fact, std::string meaning, std::string advice) {
  return {Grade::kFailure, std::move(fact), std::move(meaning), std::move(advice)};
}

std::string words(int code) { return Error{code, ""}.message(); }

// --- kernel -----------------------------------------------------------------------------------------

struct KernelVersion {
  unsigned major = 0;
  unsigned minor = 0;
  [[nodiscard]] bool at_least(unsigned other_major, unsigned other_minor) const {
    return major != other_major ? major > other_major : minor >= other_minor;
  }
};

// "6.1.0-18-amd64": the first two numbers.
KernelVersion parse_release(const std::string& release) {
  KernelVersion version;
  const char* const end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, version.major);
  if (major.ec == std::errc{} && major.ptr != end) std::from_chars(major.ptr + 1, end, version.minor);
  return version;
}

// Every feature beyond notifications themselves that depends on the kernel's age alone, newest first.
struct KernelFeature {
  unsigned major;
  unsigned minor;
  std::string_view without;
};
constexpr KernelFeature kKernelFeatures[] = {
    {6, 11, "what a `unix:` rule of a policy allows is refused all the same (no mseal(2), no PROCMAP_QUERY)"},
    {5, 19,
     "a supervised call that any signal hits starts again (no SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)"},
    {5, 14,
     "descriptors cannot be handed into a container as the answer to a call (no SECCOMP_ADDFD_FLAG_SEND)"},
};

Findings check_kernel(const Patient& patient) {
  const std::string release = patient.machine.kernel_release();
  const KernelVersion version = parse_release(release);
  std::string missing;
  std::string newest;
  for (const KernelFeature& feature : kKernelFeatures) {
    if (version.at_least(feature.major, feature.minor)) break;
    if (newest.empty()) newest = std::to_string(feature.major) + "." + std::to_string(feature.minor);
    missing += (missing.empty() ? "" : "; ") + std::string(feature.without);
  }
  if (missing.empty()) return {ok("Linux " + release, "it has all that supervision uses")};
  return {warning("Linux " + release, missing, "use Linux " + newest + " or newer")};
}

Findings check_notifications(const Patient& patient) {
  if (!patient.machine.knows_notifications()) {
    return {failure(
        "the kernel has no seccomp notifications", "no container can be supervised",
        "use Linux 5.9 or newer with CONFIG_SECCOMP_FILTER, outside a sandbox that hides seccomp(2)")};
  }
  const auto trial = patient.machine.try_listener();
  if (!trial) {
    return {failure("no listener could be tried: " + trial.error().message(),
                    "no container can be supervised",
                    "look whether a sandbox around this shell forbids seccomp(2)")};
  }
  if (trial->listener == EBUSY) {
    return {failure("this shell is under a seccomp listener already",
                    "the kernel admits one for a process and its children: a supervised container gets EBUSY",
                    "run outside the supervised container; on WSL2 set seccomp off for its own init")};
  }
  if (trial->listener != 0) {
    return {failure("making a seccomp listener fails: " + words(trial->listener),
                    "no container can be supervised",
                    "look whether a sandbox around this shell forbids seccomp(2)")};
  }
  Findings findings{ok("seccomp notifications work", "policies that need an agent can be enforced")};
  if (trial->sync_wake_up != 0) {
    findings.push_back(warning("no synchronous wake-up (" + words(trial->sync_wake_up) + ")",
                               "every supervised call takes about six times as long",
                               "use Linux 6.6 or newer"));
  } else {
    findings.push_back(ok("synchronous wake-up", "a supervised call costs microseconds"));
  }
  if (trial->take_fd != 0) {
    findings.push_back(failure("pidfd_getfd(2) fails: " + words(trial->take_fd),
                               "the agent cannot act on a container's sockets",
                               "use Linux 5.6 or newer, outside a sandbox that forbids pidfd_getfd(2)"));
  } else {
    findings.push_back(ok("pidfd_getfd(2)", "the agent can act on a container's own sockets"));
  }
  return findings;
}

// The value of a "Name:\tvalue" line of /proc/self/status.
std::optional<std::string> status_field(const Patient& patient, std::string_view name) {
  const auto status = patient.machine.read_file("/proc/self/status");
  if (!status) return std::nullopt;
  std::istringstream lines(*status);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    const std::size_t start = line.find_first_not_of(" \t", name.size() + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return std::nullopt;
}

Findings check_own_filter(const Patient& patient) {
  const auto mode = status_field(patient, "Seccomp");
  if (!mode) {
    return {warning("/proc/self/status does not say whether a filter is in force here",
                    "it may limit containers", "mount /proc")};
  }
  if (*mode == "0")
    return {ok("no seccomp filter is in force on this shell", "containers start with their own alone")};
  return {warning("a seccomp filter is in force on this shell already",
                  "containers started from here obey it too, and if it notifies, theirs cannot",
                  "start containers from outside the sandbox, if something fails that should not")};
}

Findings check_io_uring(const Patient& patient) {
  constexpr const char* kMeaning = "policies with network rules refuse it in the container";
  const auto value = patient.machine.read_file("/proc/sys/kernel/io_uring_disabled");
  if (!value) return {ok("io_uring cannot be switched off on this kernel, or is not there", kMeaning)};
  if (value->starts_with('2')) return {ok("io_uring is off", "no container can use it")};
  return {ok("io_uring is on", kMeaning)};
}

Findings check_landlock(const Patient& patient) {
  constexpr int kForReading = 2;  // and executing; what each version brought is in oci/base/landlock.h
  constexpr int kForWriting = 5;
  const int abi = patient.machine.landlock_abi();
  const std::string fact = abi > 0 ? "Landlock ABI " + std::to_string(abi) : "no Landlock";
  if (patient.machine.init_path().empty())
    return {warning(fact + ", and no tidewaiter-init", "containers whose policy has file rules are refused",
                    "install tidewaiter-init beside tidewaiter, on x86-64")};
  if (abi >= kForWriting) return {ok(fact, "every file rule of a policy can be enforced")};
  const std::string lacking = abi >= kForReading ? "containers whose policy has files.write are refused, or "
                                                   "that goes without truncate and ioctl under "
                                                   "\"best_effort\""
                                                 : "containers whose policy has file rules are refused, or "
                                                   "these are enforced in part or not at all under "
                                                   "\"best_effort\"";
  return {warning(fact, lacking, "use Linux 6.10 or newer, with \"landlock\" among its lsm= modules")};
}

// --- libraries and runtimes -------------------------------------------------------------------------

Findings check_libseccomp(const Patient& patient) {
  const seccomp::LibraryVersion version = patient.machine.library_version();
  const unsigned level = patient.machine.library_api_level();
  const std::string fact = "libseccomp " + std::to_string(version.major) + "." +
                           std::to_string(version.minor) + "." + std::to_string(version.micro) +
                           ", API level " + std::to_string(level);
  if (level < 5) {
    return {failure(fact, "with this kernel it makes no filter that notifies",
                    "use libseccomp 2.5 and Linux 5.9 or newer")};
  }
  return {ok(fact, "it makes filters that notify")};
}

std::string calls_in_words(const runtime::Traits& traits) {
  if (traits.never_notify.empty()) return "every supervised call may notify";
  std::string calls;
  for (const runtime::NeverNotify& row : traits.never_notify) {
    calls += (calls.empty() ? "" : ", ") + std::string(row.syscall);
  }
  return "under it these calls cannot be logged: " + calls;
}

std::string seccomp_flags_in_words(const runtime::Traits& traits) {
  constexpr std::string_view kPrefix = "SECCOMP_FILTER_FLAG_";
  std::string flags;
  for (const runtime::SeccompFlag& row : traits.seccomp_flags) {
    flags += (flags.empty() ? "" : ", ") + std::string(row.name.substr(kPrefix.size()));
    if (!row.since.empty()) flags += " (from version " + std::string(row.since) + " on)";
    if (!row.not_with_listener.empty()) flags += " (not with supervision)";
  }
  return "it takes the seccomp flags " + flags;
}

std::string limits_in_words(const runtime::Traits& traits) {
  std::string words = calls_in_words(traits);
  if (traits.kind != runtime::Kind::kUnknown) words += "; " + seccomp_flags_in_words(traits);
  return words;
}

std::string describe_runtime(const Patient& patient, const std::string& path) {
  const auto version = patient.machine.version(path);
  return path + (version ? ", version " + *version : ", which does not tell its version");
}

Findings check_runtimes(const Patient& patient) {
  if (!patient.settings) return {};  // told by its own check
  const auto chosen = patient.machine.find_runtime(*patient.settings);
  if (!chosen) {
    return {failure(chosen.error().message(), "no container can be run",
                    "install crun or runc, or correct the setting")};
  }
  Findings findings;
  const auto kind = patient.machine.identify(*chosen);
  const std::string fact = "containers run under " + describe_runtime(patient, *chosen);
  if (!kind) {
    findings.push_back(
        failure(fact, "it does not run: " + kind.error().message(), "install it again, or choose another"));
  } else if (*kind == runtime::Kind::kUnknown) {
    findings.push_back(warning(fact,
                               "it is none that is known here: " + limits_in_words(runtime::traits(*kind)),
                               "use crun or runc, if containers hang or fail to start"));
  } else {
    findings.push_back(ok(fact, limits_in_words(runtime::traits(*kind))));
  }
  for (const std::string& path : patient.machine.runtimes_on_path()) {
    if (path == *chosen) continue;
    const auto other = patient.machine.identify(path);
    if (!other) continue;
    findings.push_back(
        ok("also found: " + describe_runtime(patient, path), limits_in_words(runtime::traits(*other))));
  }
  return findings;
}

enum class Cgroups { kUnified, kHybrid, kLegacy, kNone };

Cgroups cgroup_mode(const std::string& mountinfo) {
  bool legacy = false;
  bool unified = false;
  for (const Mount& mount : parse_mountinfo(mountinfo)) {
    if (mount.point != "/sys/fs/cgroup" && !mount.point.starts_with("/sys/fs/cgroup/")) continue;
    legacy = legacy || mount.type == "cgroup";
    unified = unified || mount.type == "cgroup2";
  }
  if (legacy && unified) return Cgroups::kHybrid;
  if (legacy) return Cgroups::kLegacy;
  return unified ? Cgroups::kUnified : Cgroups::kNone;
}

Findings check_cgroups(const Patient& patient) {
  const auto mountinfo = patient.machine.read_file("/proc/self/mountinfo");
  switch (mountinfo ? cgroup_mode(*mountinfo) : Cgroups::kNone) {
    case Cgroups::kUnified:
      return {ok("cgroups: unified", "every runtime can use them")};
    case Cgroups::kLegacy:
      return {ok("cgroups: version 1", "runtimes can use them; rootless containers have no limits")};
    case Cgroups::kNone:
      return {warning("cgroups: none below /sys/fs/cgroup", "runtimes may refuse to run", "mount them")};
    case Cgroups::kHybrid:
      break;
  }
  constexpr const char* kFact = "cgroups: hybrid (version 1, and `unified` beside it)";
  constexpr const char* kAdvice =
      "use runc (\"runtime\" in the configuration), or boot with systemd.unified_cgroup_hierarchy=1";
  if (patient.settings) {
    const auto chosen = patient.machine.find_runtime(*patient.settings);
    if (chosen &&
        patient.machine.identify(*chosen).value_or(runtime::Kind::kUnknown) == runtime::Kind::kCrun) {
      return {failure(kFact, "crun, the runtime in use, refuses to run", kAdvice)};
    }
  }
  return {warning(kFact, "crun refuses to run; runc does not mind", "keep to runc")};
}

// The machine's files, for who asks about cgroups.
class FilesOf : public runtime::Files {
 public:
  explicit FilesOf(const Machine& machine) : machine_(machine) {}
  [[nodiscard]] Result<std::string> read(const std::string& path) const override {
    return machine_.read_file(path);
  }
  [[nodiscard]] bool exists(const std::string& path) const override {
    return machine_.read_file(path).has_value();
  }
  [[nodiscard]] Result<runtime::Place> look(const std::string& path) const override {
    return fail(ENOENT, path);  // no bundle is asked about
  }

 private:
  const Machine& machine_;
};

Findings check_limits(const Patient& patient) {
  if (!patient.settings) return {};
  const auto chosen = patient.machine.find_runtime(*patient.settings);
  const runtime::Kind kind =
      chosen ? patient.machine.identify(*chosen).value_or(runtime::Kind::kUnknown) : runtime::Kind::kUnknown;
  runtime::Surroundings found;
  found.initial_root = patient.machine.initial_root();
  runtime::find_cgroups(FilesOf(patient.machine), found);
  policy::Policy every;
  policy::Limits& limits = every.limits.emplace();
  limits.memory = limits.processes = limits.cpu_time = 1;
  const ordered_json config = {{"linux", {{"cgroupsPath", "/ID"}}}};
  const Status held = policy::check_machine(every, config, runtime::traits(kind), found);
  if (!held) {
    return {warning(held.error().message(), "containers under policies with such limits are refused",
                    "change it, if you want these limits; open_files needs none of it")};
  }
  Findings findings = {
      ok("cgroups hold limits", "policies can limit memory, processes, cpus and open_files")};
  // Its controller is another, which is not delegated everywhere.
  every.limits.emplace().processors = policy::Processors{.count = 1, .these = {}};
  if (const Status named = policy::check_machine(every, config, runtime::traits(kind), found); !named) {
    findings.push_back(warning(named.error().message(),
                               "containers under policies with identity.cpus are refused",
                               "change it, if you want to say which processors they have"));
  }
  return findings;
}

// --- privileges -------------------------------------------------------------------------------------

bool has_capability(std::uint64_t set, unsigned capability) { return ((set >> capability) & 1U) != 0; }

Findings check_privileges(const Patient& patient) {
  if (!patient.directories) {
    return {failure(patient.directories.error().message(), "there is no place for a container's state",
                    "log in through a session that sets it, or set it")};
  }
  if (!patient.machine.initial_root()) {
    return {ok("an ordinary user, with state in " + patient.directories->state,
               "rootless containers can be supervised, by an agent in their own user namespace")};
  }
  std::uint64_t effective = 0;
  const std::string field = status_field(patient, "CapEff").value_or("");
  std::from_chars(field.data(), field.data() + field.size(), effective, 16);
  std::string missing;
  if (!has_capability(effective, CAP_SYS_PTRACE)) {
    missing +=
        "without CAP_SYS_PTRACE the agent cannot look into containers that have more capabilities than it";
  }
  if (!has_capability(effective, CAP_SYS_ADMIN)) {
    missing += missing.empty() ? "" : "; ";
    missing += "without CAP_SYS_ADMIN runtimes can load filters only for containers with noNewPrivileges";
  }
  if (missing.empty())
    return {ok("root, with CAP_SYS_PTRACE and CAP_SYS_ADMIN", "every container can be supervised")};
  return {warning("root, with less than all capabilities", missing, "add them to this shell's bounding set")};
}

Findings check_ptrace_scope(const Patient& patient) {
  const auto value = patient.machine.read_file("/proc/sys/kernel/yama/ptrace_scope");
  if (!value) return {ok("no Yama", "nothing beyond capabilities keeps the agent from its containers")};
  const std::string scope = value->substr(0, value->find('\n'));
  if (scope == "3") {
    return {failure("kernel.yama.ptrace_scope is 3",
                    "nobody may look into another process, the agent neither",
                    "boot with a lower value; it cannot be lowered while the system runs")};
  }
  return {ok("kernel.yama.ptrace_scope is " + scope,
             scope == "0" ? "it does not concern the agent"
                          : "the agent has the capability it asks for, in its containers' user namespace")};
}

// --- our own parts ----------------------------------------------------------------------------------

Findings check_agent(const Patient& patient) {
  if (!patient.settings) return {};
  if (const std::string& socket = patient.settings->agent_socket; !socket.empty()) {
    const Status answered = patient.machine.ask_node_agent(socket);
    if (answered)
      return {ok("the node's agent answers at " + socket, "containers under a policy are registered")};
    return {failure(answered.error().message(), "no container under a policy can be created",
                    "start the node's agent, or take \"agent_socket\" out of the configuration")};
  }
  const auto path = patient.machine.agent_path(patient.settings->agent);
  if (path) return {ok("the agent is " + *path, "containers under a policy can start it")};
  return {
      failure(path.error().message(), "no agent can be started",
              "install tidewaiter-agent beside tidewaiter, or name it as \"agent\" in the configuration")};
}

Findings check_folders(const Patient& patient) {
  if (!patient.directories) return {};
  Findings findings;
  const auto look = [&](const char* what, const std::string& folder) {
    const Status writable = patient.machine.writable(folder);
    if (writable) {
      findings.push_back(ok(what + (" in " + folder), "it can be written"));
    } else {
      findings.push_back(
          failure(what + (" in " + folder) + " cannot be written: " + writable.error().message(),
                  "no container can be supervised", "correct the owner or mode of the folder"));
    }
  };
  look("state", patient.directories->state);
  look("event logs", patient.directories->log);
  return findings;
}

Findings check_version(const Patient& /*patient*/) {
  return {ok("tidewaiter " TIDEWAITER_VERSION,
             "`tidewaiter-agent --version` tells the agent's; `tidewaiter --version` is the runtime's")};
}

Findings check_configuration(const Patient& patient) {
  if (!patient.directories) return {};  // where it would be nobody knows, as check_privileges tells
  if (!patient.settings) {
    return {failure(patient.settings.error().message(), "every container with or without a policy is refused",
                    "correct it")};
  }
  const std::string& path = patient.settings->path;
  if (!patient.machine.read_file(path)) return {ok("no configuration file " + path, "the defaults hold")};
  return {ok("configuration " + path, "it is valid")};
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

constexpr const char* kNoneNamed = "every container that names no policy is refused";

// What is wrong with the policy in a file, its first mistake; nothing where it is good.
std::optional<policy::Mistake> mistake_in(const Patient& patient, const std::string& path) {
  const auto text = patient.machine.read_file(path);
  if (!text) return policy::Mistake{path, words(text.error().code)};
  if (text->size() > policy::kMaxPolicyBytes) return policy::Mistake{path, words(EFBIG)};
  const auto parsed = policy::parse(*text, path, policy::name_of(path));
  if (parsed) return std::nullopt;
  return parsed.error().front();
}

std::string in_words(const policy::Mistake& mistake) { return mistake.where + ": " + mistake.message; }

// Of the files in the folder; `names` become those that policies have there, good or not.
Findings check_policy_files(const Patient& patient, const std::string& folder, std::set<std::string>& names) {
  static constexpr std::string_view kSuffix = ".json";
  auto files = patient.machine.list(folder).value_or(std::vector<std::string>{});
  std::erase_if(files, [](const std::string& file) { return !file.ends_with(kSuffix); });
  std::sort(files.begin(), files.end());
  Findings findings;
  std::size_t good = 0;
  for (const std::string& file : files) {
    const std::string name = file.substr(0, file.size() - kSuffix.size());
    const std::string path = std::string(folder).append("/").append(file);
    if (!container::is_policy_name(name)) {
      findings.push_back(warning(path + " has a name that no policy can have", "no container can name it",
                                 "rename it: letters, digits, '.', '_' and '-', the first no dot"));
      continue;
    }
    names.insert(name);
    if (const auto mistake = mistake_in(patient, path)) {
      findings.push_back(warning(in_words(*mistake), "containers under this policy are refused",
                                 "tidewaiter policy check " + path));
    } else {
      ++good;
    }
  }
  findings.push_back(ok(std::to_string(good) + " valid policies in " + folder,
                        patient.settings->allowed_policies
                            ? "containers can name those in \"allowed_policies\""
                            : "containers can name them"));
  return findings;
}

Findings check_default_policy(const Patient& patient, const std::string& folder,
                              const std::set<std::string>& names) {
  if (!patient.settings->default_policy) return {};
  const std::string& standard = *patient.settings->default_policy;
  const std::string correct = "correct \"default_policy\" in " + patient.settings->path;
  const bool is_path = standard.starts_with('/');
  if (!is_path && !container::is_policy_name(standard)) {
    return {failure(
        "the default policy \"" + standard + "\" is no name of a policy", kNoneNamed,
        correct + ": letters, digits, '.', '_' and '-', the first no dot, or the absolute path of a file")};
  }
  const std::string path = is_path ? standard : std::string(folder).append("/").append(standard) + ".json";
  if (!is_path && !names.contains(standard)) {
    return {failure("there is no default policy \"" + standard + "\"", kNoneNamed,
                    "write " + path + ", or " + correct)};
  }
  const auto mistake = mistake_in(patient, path);
  if (!mistake) return {};
  return {failure("the default policy is wrong: " + in_words(*mistake), kNoneNamed,
                  "correct it (tidewaiter policy check " + path + "), or " + correct)};
}

Findings check_policies(const Patient& patient) {
  if (!patient.settings) return {};
  const std::string folder = folder_of(patient.settings->path) + "/policies";
  std::set<std::string> names;
  Findings findings = check_policy_files(patient, folder, names);
  for (Finding& finding : check_default_policy(patient, folder, names))
    findings.push_back(std::move(finding));
  for (const std::string& allowed : patient.settings->allowed_policies.value_or(std::vector<std::string>{})) {
    if (names.contains(allowed)) continue;
    const std::string path = std::string(folder).append("/").append(allowed).append(".json");
    findings.push_back(warning("\"allowed_policies\" has \"" + allowed + "\", and there is no such policy",
                               "containers that name it are refused",
                               "write " + path + ", or take it out in " + patient.settings->path));
  }
  return findings;
}

constexpr DoctorCheck kChecks[] = {
    {"kernel", check_kernel},
    {"notifications", check_notifications},
    {"own filter", check_own_filter},
    {"libseccomp", check_libseccomp},
    {"runtimes", check_runtimes},
    {"cgroups", check_cgroups},
    {"limits", check_limits},
    {"privileges", check_privileges},
    {"ptrace", check_ptrace_scope},
    {"io_uring", check_io_uring},
    {"landlock", check_landlock},
    {"version", check_version},
    {"configuration", check_configuration},
    {"policies", check_policies},
    {"agent", check_agent},
    {"folders", check_folders},
};

std::string_view to_string(Grade grade) {
  switch (grade) {
    case Grade::kOk:
      return "ok";
    case Grade::kWarning:
      return "warn";
    case Grade::kFailure:
      return "fail";
  }
  return "fail";
}

void print_line(std::string_view check, const Finding& finding, std::ostream& out) {
  out << column(to_string(finding.grade), 4) << "  " << column(check, 13) << "  "
      << terminal_text(finding.fact, 1024) << ": " << terminal_text(finding.meaning, 1024);
  if (!finding.advice.empty()) out << ". To do: " << terminal_text(finding.advice, 1024);
  out << "\n";
}

ordered_json to_json(std::string_view check, const Finding& finding) {
  return {{"check", check},
          {"grade", to_string(finding.grade)},
          {"fact", finding.fact},
          {"meaning", finding.meaning},
          {"advice", finding.advice.empty() ? ordered_json(nullptr) : ordered_json(finding.advice)}};
}

constexpr const char* kHelp =
    "tidewaiter doctor [--json]\n"
    "\n"
    "What this machine's kernel, runtimes, libraries and privileges allow; what that means; and what to do\n"
    "about it. Fails when something makes supervision impossible.\n"
    "\n";

Result<bool> run_doctor(int argc, char** argv) {
  po::options_description options("Options");
  options.add_options()("json", "print JSON")("help,h", "print this");
  const po::variables_map values = TRY(read_own_options(argc, argv, options, {}));
  if (values.contains("help")) {
    std::cout << kHelp << options;
    return true;
  }
  Patient patient{this_machine(), container::Directories::locate(), fail("")};
  patient.settings =
      patient.directories
          ? container::Settings::load(patient.directories->config_file, patient.directories->config_named)
          : Result<container::Settings>(tl::unexpected(patient.directories.error()));
  return examine(patient, values.contains("json"), std::cout);
}

}  // namespace

const std::vector<DoctorCheck>& doctor_checks() {
  static const std::vector<DoctorCheck> checks(std::begin(kChecks), std::end(kChecks));
  return checks;
}

bool examine(const Patient& patient, bool json, std::ostream& out) {
  bool possible = true;
  ordered_json list = ordered_json::array();
  for (const DoctorCheck& check : doctor_checks()) {
    for (const Finding& finding : check.run(patient)) {
      possible = possible && finding.grade != Grade::kFailure;
      if (json) {
        list.push_back(to_json(check.name, finding));
      } else {
        print_line(check.name, finding, out);
      }
    }
  }
  if (json) {
    const ordered_json document = {{"supervision_possible", possible}, {"findings", std::move(list)}};
    out << document.dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  } else {
    out << (possible ? "Containers can be supervised here.\n" : "Containers cannot be supervised here.\n");
  }
  return possible;
}

int doctor(int argc, char** argv) {
  const auto possible = run_doctor(argc, argv);
  if (!possible) return exit_code("doctor", tl::unexpected(possible.error()));
  return *possible ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace tidewaiter::shim
