#pragma once

#include <string>

#include "oci/base/result.h"

namespace tidewaiter::supervisor {

// Moves this process out of the cgroups it was started in, to `tidewaiter` at the root of each hierarchy:
// stopping the caller's service, or removing the pod's cgroup, must not take the agent with it, and the
// agent's memory is not the pod's. Where that is not permitted (an ordinary user), the process stays; the
// error says where. `mountinfo`: the text of /proc/self/mountinfo, which tells the hierarchies.
Status leave_callers_cgroup(const std::string& mountinfo);

}  // namespace tidewaiter::supervisor
