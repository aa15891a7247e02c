#pragma once

#include <vector>

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// The section "syscalls". Its names are read in read_syscall_names.h, its tests in read_argument.h.
std::vector<SyscallRule> read_syscalls(Reader& reader, const Place& place);

}  // namespace tidewaiter::policy
