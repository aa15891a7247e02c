#pragma once

#include <functional>
#include <string>

#include "oci/base/result.h"

namespace tidewaiter::shim {

// Leaves a small process behind that waits until this process, which becomes the runtime, has ended, and then
// puts the bundle's config back. A supervised container has its agent do that; one that its filter alone
// restrains has nobody else. The process is detached: its own session, standard streams on /dev/null, no
// other descriptor of the caller's, not a child of ours, in the folder /.
//
// The same process removes the state folder of a container without an agent, where no container has come of
// it or it has gone by then, as after a `run` that did not detach. `delete` removes it otherwise.
struct StateFolder {
  std::string path;
  int lock = -1;                        // of container::keep_record(), which the process holds until then
  std::function<bool()> has_container;  // asked when the runtime has ended
};

// `owner`: Bundle::install's. `state`: nullptr where there is no such folder.
Status restore_when_ended(const std::string& config_path, const std::string& owner,
                          const StateFolder* state = nullptr);

}  // namespace tidewaiter::shim
