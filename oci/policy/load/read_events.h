#pragma once

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// The section "events". What it does not say stays in `events` as it is.
void read_events(Reader& reader, const Place& place, EventsPolicy& events);

}  // namespace tidewaiter::policy
