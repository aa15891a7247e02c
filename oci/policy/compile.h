#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"
#include "oci/runtime/runtime_traits.h"
#include "oci/runtime/surroundings.h"
#include "oci/spec/hosts_mount.h"

namespace tidewaiter::policy {

// Who enforces a rule once the container runs.
enum class Mechanism {
  kRuntime,   // the OCI runtime, from the bundle
  kCgroup,    // the kernel, by the cgroup that the OCI runtime makes from the bundle
  kFilter,    // the kernel, by the seccomp filter alone
  kAgent,     // the agent, asked by a notification
  kLandlock,  // the kernel, by what tidewaiter-init puts on each process
  kNobody,    // nothing enforces it: what this version leaves open
};

// Why a row is in the plan.
enum class Origin {
  kRule,      // the policy says it
  kBaseline,  // network or exec rules would not hold without it
  kStart,     // the runtime's start of a container cannot be told from the workload without it
  kNames,     // host names of the policy resolve in the container by it
  kFiles,     // file rules are enforced by it
  kLeftOpen,  // nothing is held
};

// One line of `policy explain`.
struct PlanRow {
  std::string pointer;  // the rule's place in the policy; empty for what no rule says
  std::string what;     // the rule in words
  Mechanism mechanism = Mechanism::kFilter;
  std::string cost;  // "none", "one notification per connect", …
  std::string note;  // why this mechanism; what it leaves open
  Origin origin = Origin::kRule;
  std::string name = {};  // of what was added (kBaseline): the word that gives it back in unsafe_allow
};

// Everything that follows from a policy for one bundle.
struct Plan {
  nlohmann::ordered_json config;                // the bundle's config.json, rewritten
  std::set<std::string, std::less<>> notified;  // syscalls that reach the agent
  std::set<std::string, std::less<>> residual;  // of those: the ones where the agent also evaluates
                                                // the bundle's own profile
  // Whether the agent lets pass what the policy refuses and the runtime itself calls while it starts the
  // container. Then every execve and execveat is among `notified`: the first tells the agent that the start
  // is over.
  bool exempts_start = false;
  // Whether none of the container's tasks executes a program without telling the agent: between two of these
  // it need not find out anew who calls (supervisor/worker/identity_cache.h). It is not made so for that:
  // each execve would cost a notification, and none would be possible once the agent has died.
  bool told_of_execs = false;
  std::map<std::string, std::string> dropped_architectures;  // name -> reason
  // Where network.allow or identity.hosts has host names: what the hosts file, which the bundle binds over
  // /etc/hosts, is made from. Relative paths are the bundle's (spec::in_bundle()).
  std::optional<spec::HostsBase> hosts;
  std::string pinned_hosts;        // the lines of identity.hosts, which come first in it
  bool agent_keeps_hosts = false;  // else it is written when the container is created, and when it is started
  // What else the bundle binds from the container's state folder: names of files there, and what is in them.
  std::map<std::string, std::string> files;
  // limits.timeout, and the signal that asks the container's first process to end by itself.
  std::optional<std::chrono::seconds> timeout;
  int stop_signal = 0;  // of signal(7)
  // limits.open_files, to which processes that are executed in the container later have to be held, for the
  // bundle says nothing of them.
  std::optional<std::uint64_t> open_files;
  // `exec`, `start` or `update` have to know of the container, or it has files of its state folder: that is
  // kept, even where no agent is needed.
  bool remembered = false;
  // Likewise those under limits.cpus: no quota holds a real-time process.
  bool shuts_real_time = false;
  bool sees_others = false;    // policy::Limits::sees_others, for who decides later
  bool snapshots = false;      // policy::FilesPolicy::snapshots, likewise
  bool bounds_memory = false;  // the bundle, or the policy, limits the memory of the container's cgroup
  std::string processors;      // what identity.cpus left of them here, as cpuset(7) writes it; empty: all
  bool holds_process = false;  // identity: of processes that are executed later too (hold_process())
  // What has to stand before the arguments of every program that is executed in the container; empty:
  // nothing. The config has it before those of the container's own.
  std::vector<std::string> init;
  bool covers_files = false;  // Listener::denied_file is mounted, and has to be there
  std::vector<PlanRow> rows;  // in policy order, then what was added, then what is left open

  // Whether an agent has to listen: without it listenerPath is left out, for a runtime would connect to
  // it for nothing, and fail when nobody answers.
  [[nodiscard]] bool supervised() const { return !notified.empty(); }
};

// What is on this machine for the container.
struct Listener {
  std::string path;        // absolute, at most 107 bytes
  std::string metadata;    // handed to the agent unchanged in the container process state
  std::string hosts_file;  // where the container's hosts file is kept, and Plan::files beside it; absolute
  // tidewaiter-init; empty where nobody would put it before what is executed in the container later.
  std::string init_program = {};
  int landlock = 0;  // the kernel's Landlock version (ABI); 0: none
  // A socket that nobody listens on, to cover denied files with; empty where nobody would make it. Absolute.
  std::string denied_file = {};
  // Of files.deny the paths that are there and no folders (shim/denied_paths.h).
  std::set<std::string, std::less<>> denied_files = {};
  // Whether any of the container's file systems has snapshots (shim/denied_paths.h).
  bool snapshots = false;
  // Of files.copy_on_write: where the layers are (compile_copies.h), and the program that settles what is in
  // them; empty where nobody makes them. Absolute.
  std::string copies_folder = {};
  std::string copies_program = {};
  // What the bundle binds at their paths, canonical (shim/copied_folders.h); a path that is missing: not
  // looked at.
  std::map<std::string, std::string, std::less<>> copied_folders = {};
  bool copies_user_xattr = false;  // the runtime mounts as root of a user namespace
  bool dry_run = false;            // whatever the policy says, everything is discarded
};

// Compiles `policy`, as its file says it, into the bundle's original `config`. A policy that demands nothing
// leaves it as it is. Fails, in words, when bundle, runtime and policy
// do not go together: the profile brings a listener of its own, an annotation replaces the filter, a call
// would have to notify that the runtime cannot notify, the policy refuses what starts every container, the
// container could raise its own limits.
// Of `surroundings`, whose rights there are and what is inherited; what the machine offers check_machine()
// asks.
Result<Plan> compile(const Policy& policy, const nlohmann::ordered_json& config,
                     const runtime::Traits& runtime, const Listener& listener,
                     const runtime::Surroundings& surroundings);

// Whether cgroups hold the policy's limits when the runtime creates this bundle's container here. The error
// names the limits and says what to do. Of its own, for a policy can be explained where it cannot be held.
Status check_machine(const Policy& policy, const nlohmann::ordered_json& config,
                     const runtime::Traits& runtime, const runtime::Surroundings& surroundings);

}  // namespace tidewaiter::policy
