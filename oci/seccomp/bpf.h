#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/seccomp/profile.h"

// A compiled filter, and the machine that runs it outside the kernel. The agent uses it to know what a
// bundle's own profile says to a call that was notified; the tests hold the filter law against it.

namespace tidewaiter::seccomp {

using BpfProgram = std::vector<struct sock_filter>;

// The filter's return value (SECCOMP_RET_*) for one call. Implements the instructions that
// seccomp_check_filter (kernel/seccomp.c) admits; anything else, a jump out of the program or a load
// outside seccomp_data is an error. Classic BPF has no backward jumps, so it ends.
Result<std::uint32_t> evaluate(const BpfProgram& program, const struct seccomp_data& call);

// Compiles `profile` with libseccomp exactly as crun and runc do: native architecture plus those listed,
// rules whose action is the default and names libseccomp does not know skipped, duplicate argument indices
// split. runc puts a stub in front of the result that answers ENOSYS to calls numbered beyond every name of
// the profile; it is not part of this.
//
// Refuses rules that may keep libseccomp 2.5.4 busy for ever (and the runtimes with it): two rules on one
// call that begin alike, comparisons other than equality among it, and go on differently. Such a comparison
// has two exits to one chain of tests, and the second rule is linked into that chain twice.
Result<BpfProgram> compile(const Profile& profile);

// A file in memory that filters are compiled by way of. To make one for each costs more than to compile a
// small one.
class ScratchFile {
 public:
  // Its descriptor, to be written from the beginning.
  Result<int> rewound();

 private:
  UniqueFd file_;  // made when it is first needed
};
Result<BpfProgram> compile(const Profile& profile, ScratchFile& scratch);

// What compile() makes, as libseccomp's pseudo code for people (seccomp_export_pfc(3)).
Result<std::string> pseudo_code(const Profile& profile);

// An action as the kernel's return value, and back. A value that names no action kills the process, as in
// the kernel (__seccomp_filter).
std::uint32_t return_value(ProfileAction action);
ProfileAction action_of(std::uint32_t return_value);

}  // namespace tidewaiter::seccomp
