#pragma once

#include "supervisor/keeper/channel.h"
#include "supervisor/worker/worker_process.h"

namespace tidewaiter::supervisor {

// The worker of a node's agent: an Agent for each container that kServe brings, in a thread of its own and
// with a channel of its own to that container's keeper. All that one has to say to the other is as with an
// agent of the container's own.
//
// What an Agent cannot go on with, while sessions of it are under way, ends the process: their threads could
// be rid of in no other way. Then the others begin anew as well, and lose nothing by it (slots.h).
int run_shared_worker(Channel node, Kernel& kernel = system_kernel());  // its exit code

inline constexpr Employment kNodesContainers{run_shared_worker, "--shared-worker-fd"};

}  // namespace tidewaiter::supervisor
