#pragma once

#include "oci/policy/load/reader.h"

namespace tidewaiter::policy {

// The member "errno" of several sections: a name or a number. What is wrong leaves `errno_value` as it is.
void read_errno(Reader& reader, const Place& place, int& errno_value);

}  // namespace tidewaiter::policy
