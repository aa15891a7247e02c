#pragma once

#include "oci/base/result.h"

namespace tidewaiter::supervisor {

// Whether the process at the other end of a connection may have the node's agent do anything. An error: why
// not.
//
// It is root or the agent's own user (SO_PEERCRED), for those could do without the agent what they ask of it.
// And it is in the agent's pid namespace: the root of a container that has no user namespace of its own, or a
// rootless container of the same user's, is of the same user as far as the kernel can tell; should it have
// come by the socket, it could have the agent take any folder for a container's, and other containers for
// ended. A container in the host's pid namespace is not told apart (docs/threat-model.md, privileged
// containers).
Status may_ask(int connection);

}  // namespace tidewaiter::supervisor
