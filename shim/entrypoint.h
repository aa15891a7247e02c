#pragma once

#include <string>

#include "oci/base/result.h"
#include "oci/container/bundle.h"
#include "oci/policy/policy.h"

namespace tidewaiter::shim {

// An error when the policy's exec rules refuse the container's first program (process.args), so that `create`
// says so, and not an event of a container that has ended. A success where it cannot be told from here: the
// program is not found, or lies below a mount. The agent decides in any case. `config`: the bundle's, as the
// runtime gets it, for the policy may set PATH.
Status check_entrypoint(const policy::Policy& policy, const container::Bundle& bundle,
                        const nlohmann::ordered_json& config);

}  // namespace tidewaiter::shim
