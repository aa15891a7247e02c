#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "oci/container/bundle.h"
#include "oci/policy/policy.h"
#include "oci/policy/review.h"

namespace tidewaiter::shim {

// What the policy's rules say of programs, files and folders, and is not so in this bundle's root file
// system: paths that are not there, links, scripts whose interpreter no rule allows; and a first program that
// is refused.
// What lies below a mount, or may not be looked at, is passed over. Pointers are the policy's, but for
// "/process/args", which is the bundle's. `config`: the bundle's, as the runtime gets it, for the policy may
// set PATH.
std::vector<policy::Remark> review_in_bundle(const policy::Policy& policy, const container::Bundle& bundle,
                                             const nlohmann::ordered_json& config);

}  // namespace tidewaiter::shim
