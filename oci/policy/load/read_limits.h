#pragma once

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// The section "limits". The processors are not in it but in the section "identity".
Limits read_limits(Reader& reader, const Place& place);

}  // namespace tidewaiter::policy
