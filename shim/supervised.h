#pragma once

#include <optional>
#include <string>

#include "oci/base/result.h"
#include "oci/container/bundle.h"
#include "oci/container/record.h"
#include "oci/policy/policy.h"
#include "shim/invocation.h"

// What the commands ask about a container's supervision.

namespace tidewaiter::shim {

// The container's bundle. Absent when it cannot be read and no policy can apply to it: then the runtime is to
// say in its own words what is wrong. An error when it cannot be read and a policy may apply: what we take
// for broken the runtime may still accept.
Result<std::optional<container::Bundle>> open_bundle(const Invocation& invocation,
                                                     const ContainerOptions& options);

// Whether the state folder of this id is that of a container which is there under another --root: ids are
// unique to a root, and state folders are not.
bool stands_for_another(const Invocation& invocation, const std::string& id, const std::string& state_folder);

// Makes sure that no state folder stands for `id`: one that outlived its container is cleared. An error while
// the runtime has such a container, here or under another --root.
Status claim_id(const Invocation& invocation, const std::string& id, const std::string& state_folder);

// Removes what is left of a container that is gone: waits a while for its agent to end, and clears what the
// agent left. An error when the agent stays.
Status clear_supervision(const std::string& state_folder);

// The policy that the container was created under.
Result<policy::Policy> recorded_policy(const container::Record& record);

// An error when the environment makes the runtime pass over the filter that a policy put into the bundle.
Status refuse_bypass(const Invocation& invocation);

}  // namespace tidewaiter::shim
