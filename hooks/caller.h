#pragma once

#include <sys/types.h>

#include <string_view>

#include "oci/base/unique_fd.h"

// podman runs hooks with an empty environment and without stderr (containers/common, pkg/hooks/exec). What a
// hook needs of either it takes from podman itself, its parent.

namespace tidewaiter::hook {

// Sets the variables that say where configuration and state are, as far as they are unset here and set in the
// first environment of process `caller`. What cannot be read stays unset.
void adopt_environment(pid_t caller);

// Descriptor 2 of process `caller`; invalid where the right to take it is missing. Opening it again by its
// name in /proc would not do: a file's offset would be another one, and one of the two would write over the
// other.
UniqueFd stderr_of(pid_t caller);

// Tells why the hook failed: one line on stderr, or the caller's when ours goes nowhere, and in the system
// log.
void report_failure(std::string_view verb, std::string_view message, pid_t caller);

}  // namespace tidewaiter::hook
