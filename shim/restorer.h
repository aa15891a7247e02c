#pragma once

#include <functional>
#include <string>

#include "oci/base/result.h"

namespace tidewaiter::shim {

// Leaves a small process behind that waits until this process, which becomes the runtime, has ended, and then
// puts the bundle's config back. A supervised container has its agent do that; one that its filter alone
// restrains has nobody else. The process is detached: its own session, standard streams on /dev/null, no
// other descriptor of the caller's, not a child of ours.
// `owner`: Bundle::install's. Last, the process does `afterwards`, if there is such a thing, in the folder /.
Status restore_when_ended(const std::string& config_path, const std::string& owner,
                          const std::function<void()>& afterwards = {});

}  // namespace tidewaiter::shim
