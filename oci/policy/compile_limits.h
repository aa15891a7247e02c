#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/compile.h"
#include "oci/policy/policy.h"
#include "oci/runtime/surroundings.h"

// A policy's limits, and the processors of its identity, as linux.resources and process.rlimits of the
// bundle. Of policy and bundle the tighter counts, each value by itself.

namespace tidewaiter::policy {

// Writes them into `config`, and returns a row for each. REQUIRES: check_limits().
Result<std::vector<PlanRow>> apply_limits(const Policy& policy, const runtime::Surroundings& surroundings,
                                          nlohmann::ordered_json& config);

// Lowers the `resources` of a running container, as `update --resources` has them, to what the policy limits.
// What they do not speak of stays unsaid. Fails where they go round it.
Status hold_resources(const Limits& limits, nlohmann::ordered_json& resources);

}  // namespace tidewaiter::policy
