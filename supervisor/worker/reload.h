#pragma once

#include <optional>

#include "oci/base/result.h"
#include "oci/container/record.h"

namespace tidewaiter::supervisor {

// What a container that runs can take of the policy file that it was created under, as the file is now: the
// record to go on with; nullopt where nothing has changed.
//
// The filter is in the kernel, and nobody can exchange it, nor what else the bundle got. So a policy is taken
// as a whole when everything that it compiles into is what the container has, and only what the agent decides
// is different; else not at all. Nor may it have host names that the container's policy did not have: those
// are resolved when a container is created, which fails where one does not resolve. Errors: the file's
// mistakes, or which of this is not so.
Result<std::optional<container::Record>> reread_policy(const container::Record& record);

}  // namespace tidewaiter::supervisor
