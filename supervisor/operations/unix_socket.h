#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "supervisor/operations/message.h"
#include "supervisor/operations/operation.h"
#include "supervisor/operations/socket.h"

// Calls on Unix sockets (unix(7)) that the kernel has to see the target make: whom it connects to, or sends
// to by name, is told who did (SO_PEERCRED, SCM_CREDENTIALS), and a file that a bind makes belongs to who
// binds. A thread of the target's own makes them (StandIn), with the name that was decided on.

namespace tidewaiter::supervisor {

// connect(2) to a captured AF_UNIX address, under network.allow and network.deny.
Outcome connect_unix(Call& call, const Socket& socket, std::span<const std::byte> address);

// bind(2) to one. network.bind says nothing of Unix sockets, and so it is made as without it.
Outcome bind_unix(Call& call, const Socket& socket, std::span<const std::byte> address);

// sendto(2), sendmsg(2), or one message of sendmmsg(2): to the name it has, under network.allow and
// network.deny, or to whom the socket is connected. `flags` as the target gave them.
Outcome send_unix(Call& call, const Socket& socket, const CapturedMessage& message, int flags);

}  // namespace tidewaiter::supervisor
