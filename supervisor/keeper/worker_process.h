#pragma once

#include <string>

#include "supervisor/keeper/keeper.h"
#include "supervisor/target/kernel.h"
#include "supervisor/tracer/tracing.h"

namespace tidewaiter::supervisor {

// Starts workers as processes, which die with the one that calls it.
Launch launch_processes(Kernel& kernel = system_kernel());

// Likewise the process that traces.
LaunchTracer launch_tracing_process(const TracerLimits& limits = {});

// What such a process does: serves at its end of the channel. Its exit code.
int run_worker(Channel keeper, Kernel& kernel = system_kernel());

}  // namespace tidewaiter::supervisor
