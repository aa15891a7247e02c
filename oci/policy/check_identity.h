#pragma once

#include <nlohmann/json.hpp>

#include "oci/base/result.h"
#include "oci/policy/policy.h"
#include "oci/runtime/surroundings.h"

// Bundles that do not go together with a policy's identity, or would change it behind the policy's back:
// refused, in words.

namespace tidewaiter::policy {

// Whether the identity is to be given at all: not in audit mode, but for the pinned hosts, without which
// rules that name them would be decided otherwise.
bool gives_identity(const Policy& policy);

// Of `surroundings`, which ids there are.
Status check_identity(const Policy& policy, const nlohmann::ordered_json& config,
                      const runtime::Surroundings& surroundings);

}  // namespace tidewaiter::policy
