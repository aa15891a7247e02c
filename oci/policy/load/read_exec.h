#pragma once

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// The section "exec".
ExecPolicy read_exec(Reader& reader, const Place& place);

}  // namespace tidewaiter::policy
