#pragma once

#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

// What is said on the node agent's socket (SOCK_SEQPACKET): by the shim or the hook, which asks for
// something, and by the agent, which answers with one line, "ok" or the reason why not.

namespace tidewaiter::container {

struct NodeRequest {
  enum class Kind {
    kRegister,  // a container's state folder, which has its record, and the descriptors: supervise it
    kEnd,   // of a state folder: nobody needs its agent any more. From who has just registered it: it came
            // to nothing; no answer, but the connection closes when nobody serves it any more
    kPing,  // are you there?
  };

  Kind kind = Kind::kPing;
  std::string state_folder = {};
  UniqueFd listener = {};     // where the runtime will connect
  UniqueFd creator = {};      // a pidfd of the process that becomes the runtime; invalid when unknown
  UniqueFd bundle_lock = {};  // lock_bundle(); invalid where there is none
};

// A connection to the agent that listens there. An error says what could be done about it, and has no errno:
// podman takes ENOENT's words for a program that is missing in the container.
Result<UniqueFd> connect_to_node(const std::string& socket_path);

// Not an error: the other end takes no requests. It has answered why, or hung up.
Status send_request(int connection, const NodeRequest& request);
// EAGAIN: there is none yet, and the socket does not block. ECONNRESET: the other end is closed. Other errors
// are meant to be answered with.
Result<NodeRequest> receive_request(int connection);

Status send_answer(int connection, std::string_view line);
// The same to whoever is not heard, whatever it has sent already. Then the connection is to be closed.
Status refuse(int connection, std::string_view why);

}  // namespace tidewaiter::container
