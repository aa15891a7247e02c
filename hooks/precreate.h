#pragma once

#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "oci/container/directories.h"
#include "oci/container/settings.h"
#include "oci/runtime/surroundings.h"

namespace tidewaiter::hook {

struct Host {
  container::Directories directories;
  container::Settings settings;
  std::string hook_path;  // of this program, for the hook that cleans up
  runtime::Surroundings surroundings;
};

// podman's precreate hook: from the text of a proposed config.json to that of the one to be used instead. The
// same text when no policy applies.
//
// podman tells neither the container's id nor its runtime: the state folder gets a name of its own, and the
// policy is compiled for what every runtime can do. When an agent supervises the container, it has been
// started, and a poststop hook is in the config that clears the state folder should the agent not have.
Result<std::string> precreate(const std::string& config, const Host& host);

// Whether `name` is one that precreate() gives a state folder: "hook-" and 16 hexadecimal digits.
bool is_state_folder_name(std::string_view name);

}  // namespace tidewaiter::hook
