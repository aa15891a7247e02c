#pragma once

#include "oci/base/result.h"

namespace tidewaiter::supervisor {

// What the agent's processes give up before they look at anything that a container could have written. Each
// acts on the calling thread and on those it starts afterwards.

// All capabilities but those that a worker uses, and gaining any by executing something.
Status confine_worker();
// Likewise of the tracing process (tracing.h), which needs fewer.
Status confine_tracer();

// A filter that refuses, with EPERM, what no worker has to do, and what would be of use to somebody who had
// taken it over: other programs and processes, tracing, mounts and namespaces, the kernel itself. Who is
// under a filter cannot trace past another's: not for one that drives stand-ins by itself.
Status install_worker_filter();

}  // namespace tidewaiter::supervisor
