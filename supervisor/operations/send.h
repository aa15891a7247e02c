#pragma once

#include "supervisor/operations/operation.h"

namespace tidewaiter::supervisor {

// sendto, sendmsg, sendmmsg.
Outcome send(Call& call);

}  // namespace tidewaiter::supervisor
