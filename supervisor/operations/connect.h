#pragma once

#include "supervisor/operations/operation.h"

namespace tidewaiter::supervisor {

// connect(2) under network.allow and network.deny.
Outcome connect(Call& call);

}  // namespace tidewaiter::supervisor
