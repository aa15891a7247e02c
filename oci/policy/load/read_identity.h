#pragma once

#include <optional>

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// The section "identity". Its processors go into `limits`.
Identity read_identity(Reader& reader, const Place& place, std::optional<Limits>& limits);

}  // namespace tidewaiter::policy
