#pragma once

#include <set>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"
#include "oci/policy/review.h"

namespace tidewaiter::shim {

// Host names of rules that stand for nothing here and now. The agent at `agent` is asked, which resolves
// names as those of containers do; some seconds at most. Nobody is asked for what identity.hosts pins.
Result<std::vector<policy::Remark>> review_names(const policy::Policy& policy, const std::string& agent);

}  // namespace tidewaiter::shim
