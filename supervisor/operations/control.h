#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "supervisor/operations/operation.h"
#include "supervisor/operations/socket.h"

// Control messages (cmsg(3)). The kernel reads some of them as the words of whoever sends: descriptors are
// looked up in its table, and credentials, marks and headers are checked against its capabilities. The agent
// sends, and it may more than the target.

namespace tidewaiter::supervisor {

// What goes along with a message instead of the control data the target gave.
struct Control {
  std::vector<std::byte> bytes;
  // The same without the descriptors, for what follows in a stream: they go with its first byte (unix(7)).
  std::vector<std::byte> without_descriptors;
  std::vector<UniqueFd> descriptors;  // copies of the target's, which `bytes` names; to outlive the send
};

// Whether there are descriptors (SCM_RIGHTS) among `captured`, as far as it can be read.
bool names_descriptors(std::span<const std::byte> captured);

// Makes it from `captured`. EPERM: it asks for what takes a capability, whether the target has it or not, or
// for a source route, or to send as somebody else. EINVAL for what is not known. Otherwise as the kernel
// would answer the target.
Result<Control> control_for(Call& call, const Socket& socket, std::span<const std::byte> captured);

}  // namespace tidewaiter::supervisor
