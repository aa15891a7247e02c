#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oci/policy/load/reader.h"

namespace tidewaiter::policy {

// "names" of a rule in "syscalls": names that libseccomp knows on at least one architecture, each once.
std::vector<std::string> read_syscall_names(Reader& reader, const Place& place);

// Whether an architecture (SCMP_ARCH_*) has this call.
bool has_syscall(std::uint32_t architecture, const std::string& name);

}  // namespace tidewaiter::policy
