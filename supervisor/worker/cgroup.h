#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "oci/base/result.h"

namespace tidewaiter::supervisor {

// Moves the agent's processes out of the cgroups they were started in, to `tidewaiter` at the root of each
// hierarchy: stopping the caller's service, or removing the pod's cgroup, must not take the agent with it,
// and the agent's memory is not the pod's. Where that is not permitted (an ordinary user), they stay; the
// error says where. `mountinfo`: the text of /proc/self/mountinfo, which tells the hierarchies.
Status leave_callers_cgroup(const std::string& mountinfo, std::span<const pid_t> processes);

}  // namespace tidewaiter::supervisor
