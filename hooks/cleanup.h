#pragma once

#include <string>
#include <string_view>

#include "oci/base/result.h"

namespace tidewaiter::hook {

// The poststop hook that precreate() put into the config: clears `state_folder`, and its name by the
// container's id, if the agent ended without doing so itself. `state` is what runtimes give hooks on stdin
// (runtime-spec, runtime.md, "State"). An agent that is still alive is left to its work.
Status cleanup(const std::string& state_folder, std::string_view state);

}  // namespace tidewaiter::hook
