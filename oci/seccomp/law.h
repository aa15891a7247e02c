#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"
#include "oci/seccomp/bpf.h"
#include "oci/seccomp/profile.h"

// The filter law: for every architecture, syscall and argument values, if the bundle's own profile would
// not allow the call, that answer stands; if it would, the policy's answer stands.

namespace tidewaiter::seccomp {

// What the policy wants of one syscall: a list of conditional answers, the first that matches counts, and
// `otherwise` when none does. kAllow means "as the profile says"; kNotify asks the agent.
struct SyscallDemand {
  struct Case {
    std::vector<policy::ArgumentTest> tests;  // all must hold; an index may occur more than once
    ProfileAction action;
  };
  std::vector<Case> cases;
  ProfileAction otherwise{ActionKind::kAllow, 0};

  // Whether the demand can be held on a second ABI (x86, x32) of the profile. The agent's operations
  // decode the native ABI only; a demand answered from its name alone holds everywhere.
  bool native_only = false;

  // One answer whatever the arguments.
  [[nodiscard]] bool unconditional() const { return cases.empty(); }
};

using Demands = std::map<std::string, SyscallDemand, std::less<>>;

struct Merged {
  Profile profile;

  // Syscalls whose combination of conditions OCI rules cannot express: they notify, always or for unusual
  // arguments, and the agent evaluates profile and policy from the registers.
  std::set<std::string, std::less<>> residual;

  // Architectures that left the profile, because a demand cannot be held there, each with its reason.
  std::map<std::string, std::string> dropped_architectures;
};

// Merges demands into a profile. A bundle without linux.seccomp has unconfined_profile().
//
// For every syscall whose answer depends on arguments, the law is proved before this returns: the merged
// rules are compiled as the runtime will compile them and compared, as functions of all argument values and
// on every architecture that stays, with what the bundle's rules compile to; each call's alone, and then
// those of all calls together with each alone. What cannot be proved natively becomes residual; an
// architecture where it cannot be proved leaves the profile.
//
// A second ABI leaves when a demand on a call that it has, and that the profile may allow there,
//   - is native_only, or residual,
//   - depends on arguments, and the ABI's registers have 32 bits or libseccomp compares only 32 of them:
//     constants, and arguments split over two registers, mean something else there,
//   - is on a call that socketcall or ipc can make too, with arguments in memory,
//   - can be evaded by that ABI's other name for the same call (chown and chown32) that no demand refuses.
//
// Fails when the profile's own rules notify (it brings a supervisor of its own), when libseccomp mixes up
// the conditions of several calls, in the profile or in what becomes of it, when a residual syscall
// has a kTrap or kTrace answer, which no agent can give, and when a demand cannot be held natively: the
// profile allows the call, and libseccomp does not know it, or socketcall or ipc can make it too.
Result<Merged> merge(const Profile& profile, const Demands& demands);

// The part of a profile that answers for `syscalls` on the native architecture, on which alone residual calls
// are made. libseccomp compiles it in microseconds, and the whole of a usual profile in tens of milliseconds.
Profile part_for(const Profile& profile, const std::set<std::string, std::less<>>& syscalls);

// The agent's half, for residual syscalls: what the bundle's own profile says to a call that was notified.
// `program` is compile() of part_for() that profile and Merged::residual. When the answer allows(), the
// policy's stands, otherwise this one. An error means that nothing is known, and is no permission.
Result<ProfileAction> profile_answer(const BpfProgram& program, const struct seccomp_data& call);

// What "no linux.seccomp" means on this machine: everything allowed, on every ABI its kernel runs.
Profile unconfined_profile();

}  // namespace tidewaiter::seccomp
