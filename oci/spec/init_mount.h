#pragma once

#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/spec/config.h"

// How a program of ours comes into a container, and in front of the container's own (runtime-spec, config.md,
// "Mounts" and "Process").

namespace tidewaiter::spec {

// Where bind_init() will bind it.
Result<std::string> init_place(const Json& config);

// Has the runtime bind the program `source` into the container, read-only, over everything that the bundle
// mounts. Returns its path in the container: in /dev where that is a tmpfs, which every engine makes it, for
// a root file system may be read-only, and shall not have an empty file left in it; else in the root.
Result<std::string> bind_init(Json& config, const std::string& source);

// Puts `arguments` before those of `process`, an object with the member "args". One without a program is left
// alone: the runtime refuses it in its own words.
Status put_before(Json& process, const std::vector<std::string>& arguments);

}  // namespace tidewaiter::spec
