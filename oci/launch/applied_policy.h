#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "oci/base/result.h"
#include "oci/container/directories.h"
#include "oci/container/record.h"
#include "oci/container/settings.h"
#include "oci/policy/compile.h"
#include "oci/policy/load.h"

// What the shim and the precreate hook do alike when they give a new container its policy.

namespace tidewaiter::launch {

// The policy file of a new container. The error's code is never ENOENT, and its text not that of it: podman
// takes "No such file or directory" for a program that is missing in the container.
Result<policy::PolicyFile> read_policy(const std::string& path);

// What follows from a policy, from the `plan` that it was compiled to for a bundle, and from the
// configuration: all of the record but what only the caller knows, as the container's id, where its bundle's
// config is, and where the policy is. `original`: that config as its owner wrote it, `bundle`: its folder,
// for paths that are relative to it; empty: nobody was told it.
container::Record record_of(const policy::PolicyFile& file, const policy::Plan& plan,
                            const nlohmann::ordered_json& original, const std::string& bundle,
                            const container::Directories& directories, const container::Settings& settings);

}  // namespace tidewaiter::launch
