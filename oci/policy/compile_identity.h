#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/compile.h"
#include "oci/policy/policy.h"
#include "oci/runtime/surroundings.h"

// A policy's identity, as members of the bundle's process, its host name, and files that are bound into the
// container.

namespace tidewaiter::policy {

// What the bundle binds from the container's state folder: names of files there, and what is in them.
using BoundFiles = std::map<std::string, std::string>;

// Writes the identity into `config`, but for the hosts file, and returns a row for each part of it. `folder`:
// the container's state folder. REQUIRES: check_identity(), apply_limits().
Result<std::vector<PlanRow>> apply_identity(const Policy& policy, const runtime::Surroundings& surroundings,
                                            const std::string& folder, nlohmann::ordered_json& config,
                                            BoundFiles& files);

// The pinned names in lines of hosts(5).
std::string pinned_lines(const std::vector<PinnedHost>& hosts);

// Gives a process, one that is executed in the container later too, the user and the variables of the
// identity. `place`: its JSON pointer, for errors. No process becomes root by it that would not be without
// it.
Status hold_process(const Identity& identity, nlohmann::ordered_json& process, const std::string& place);

// The variables alone.
Status hold_env(const Identity& identity, nlohmann::ordered_json& process, const std::string& place);

// Whether process.env has it.
bool has_variable(const nlohmann::ordered_json& process, std::string_view name);

}  // namespace tidewaiter::policy
