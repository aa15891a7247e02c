#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/compile.h"
#include "oci/policy/policy.h"
#include "oci/runtime/surroundings.h"

// A policy's limits, as linux.resources and process.rlimits of the bundle. Of policy and bundle the tighter
// counts, each value by itself.

namespace tidewaiter::policy {

// Whether the policy's limits are to be held at all: not in audit mode.
bool holds_limits(const Policy& policy);

// Whether the bundle goes together with the policy's limits: what would set another limit behind their back,
// or lets the workload do so, is refused in words.
Status check_limits(const Policy& policy, const nlohmann::ordered_json& config,
                    const runtime::Surroundings& surroundings);

// Writes them into `config`, and returns a row for each. REQUIRES: check_limits().
Result<std::vector<PlanRow>> apply_limits(const Policy& policy, const runtime::Surroundings& surroundings,
                                          nlohmann::ordered_json& config);

// Lowers the `resources` of a running container, as `update --resources` has them, to what the policy limits.
// What they do not speak of stays unsaid. Fails where they go round it.
Status hold_resources(const Limits& limits, nlohmann::ordered_json& resources);

// Whether a process that is executed in a container under limits.cpus gives itself a real-time class: by its
// scheduler, or its RLIMIT_RTPRIO. `place`: its JSON pointer, for errors.
Status check_executed_in_real_time(const nlohmann::ordered_json& process, const std::string& place);

// Who starts it has such a class itself.
tl::unexpected<Error> started_in_real_time();

}  // namespace tidewaiter::policy
