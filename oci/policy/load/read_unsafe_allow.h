#pragma once

#include <vector>

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// The section "unsafe_allow".
std::vector<UnsafeAllow> read_unsafe_allow(Reader& reader, const Place& place);

// What a person would take for given back, and is not, is a mistake; so is what was never taken away.
// `place`: of the document. REQUIRES: a policy without a mistake so far, for only of such a one is known what
// it restricts.
void check_unsafe_allow(Reader& reader, const Place& place, const Policy& policy);

}  // namespace tidewaiter::policy
