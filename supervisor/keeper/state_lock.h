#pragma once

#include <sys/types.h>

#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// The lock of a state folder, which says that its agent is alive, and who that is
// (container::Record::kLockName). EWOULDBLOCK: another agent has it. It is held while any copy of the
// descriptor is open.
Result<UniqueFd> lock_state_folder(const std::string& state_folder, pid_t agent);

}  // namespace tidewaiter::supervisor
