#pragma once

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// The section "network".
NetworkPolicy read_network(Reader& reader, const Place& place);

// A denied name that identity.hosts pins: the rule would refuse what the policy itself makes of the name, and
// nothing that the world calls so. `place`: of the document.
void check_denied_names(Reader& reader, const Place& place, const Policy& policy);

}  // namespace tidewaiter::policy
