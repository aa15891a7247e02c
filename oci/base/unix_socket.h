#pragma once

#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter {

// A listening Unix socket of `type` at `path` (mode 0600, an existing socket file is replaced).
// ENAMETOOLONG when the path does not fit sun_path (108 bytes with its NUL, unix(7)).
Result<UniqueFd> listen_unix(const std::string& path, int backlog = 64, int type = SOCK_STREAM);

// A connection to the Unix socket of `type` at `path`.
Result<UniqueFd> connect_unix(const std::string& path, int type = SOCK_STREAM);

// Who is at the other end when it connected (SO_PEERCRED): of a runtime, not of its container.
Result<struct ucred> peer_credentials(int socket);

// Has the message carry copies of these descriptors (SCM_RIGHTS, unix(7)); none: no control message. `room`
// holds the control message until the message is sent. REQUIRES: it is aligned as struct cmsghdr is, and has
// CMSG_SPACE(fds.size_bytes()) bytes.
void attach_fds(struct msghdr& message, std::span<const int> fds, std::span<char> room);

// Takes ownership of every descriptor that came with the message, also of those that are too many.
std::vector<UniqueFd> take_fds(struct msghdr& message);

// Descriptors that a message may carry here.
inline constexpr std::size_t kMostFds = 16;

// Sends one message, over a socket that keeps them apart, with copies of the descriptors. A signal's handler
// does not end it. Errors: sendmsg(2)'s, EPIPE without a signal.
Status send_message(int socket, std::span<const struct iovec> parts, std::span<const int> fds = {});

struct ReceivedMessage {
  std::size_t size = 0;  // bytes; 0: the other end is closed
  std::vector<UniqueFd> fds = {};
  int flags = 0;  // MSG_TRUNC: it had more bytes; MSG_CTRUNC: more descriptors, or there was no room for some
};

// Receives one. REQUIRES: `most_fds` <= kMostFds. Errors: recvmsg(2)'s; EAGAIN: there is none.
Result<ReceivedMessage> receive_message(int socket, std::span<struct iovec> parts, std::size_t most_fds);

}  // namespace tidewaiter
