#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "oci/base/result.h"
#include "oci/policy/policy.h"
#include "oci/runtime/surroundings.h"

// What would set another limit behind a policy's back, or lets the workload do so: refused, in words.

namespace tidewaiter::policy {

// Whether the policy's limits are to be held at all: not in audit mode.
bool holds_limits(const Policy& policy);

// Whether the bundle goes together with the policy's limits.
Status check_limits(const Policy& policy, const nlohmann::ordered_json& config,
                    const runtime::Surroundings& surroundings);

// Whether `resources`, at the JSON pointer `place`, leave files of cgroup version 2 alone that the policy's
// limits become. A runtime writes those last, after what it makes of the other members.
Status check_unified(const Limits& limits, const nlohmann::ordered_json& resources, const std::string& place);

// Whether a process that is executed in a container under limits.cpus gives itself a real-time class: by its
// scheduler, or its RLIMIT_RTPRIO. `place`: its JSON pointer, for errors.
Status check_executed_in_real_time(const nlohmann::ordered_json& process, const std::string& place);

// Who starts it has such a class itself.
tl::unexpected<Error> started_in_real_time();

// Whether a process that is executed in the container stays below its cgroup. `cgroup`: an option's value, as
// runtimes take it for their `exec --cgroup`: PATH, to runc also CONTROLLERS:PATH.
Status check_executed_cgroup(const Limits& limits, const std::string& cgroup);

}  // namespace tidewaiter::policy
