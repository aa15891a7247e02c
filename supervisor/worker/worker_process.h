#pragma once

#include <string>

#include "supervisor/keeper/keeper.h"
#include "supervisor/target/kernel.h"
#include "supervisor/tracer/tracing.h"

namespace tidewaiter::supervisor {

// What such a process does at its end of the channel, and by which option of the agent's program another
// version of it does the same.
struct Employment {
  int (*serve)(Channel keeper, Kernel& kernel);
  const char* option;
};

int run_worker(Channel keeper, Kernel& kernel = system_kernel());  // its exit code
inline constexpr Employment kOneContainer{run_worker, "--worker-fd"};

// Starts workers as processes, which die with the one that calls it.
Launch launch_processes(Kernel& kernel = system_kernel(), const Employment& employment = kOneContainer);

// Likewise the process that traces.
LaunchTracer launch_tracing_process(const TracerLimits& limits = {});

// What a worker has to do before anything else: have the threads that it is to start interrupted, and blamed
// for what they crash of (Slot::crashes).
Status install_worker_signals();

}  // namespace tidewaiter::supervisor
