#pragma once

#include "supervisor/operations/operation.h"

namespace tidewaiter::supervisor {

// bind(2) under network.bind.
Outcome bind(Call& call);

}  // namespace tidewaiter::supervisor
