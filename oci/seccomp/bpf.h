#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <vector>

#include "oci/base/result.h"
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
// rules whose action is the default skipped, duplicate argument indices split.
Result<BpfProgram> compile(const Profile& profile);

}  // namespace tidewaiter::seccomp
