#pragma once

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// The section "files".
FilesPolicy read_files(Reader& reader, const Place& place);

}  // namespace tidewaiter::policy
