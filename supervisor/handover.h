#pragma once

#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/spec/state.h"

namespace tidewaiter::supervisor {

// What a runtime hands over through linux.seccomp.listenerPath.
struct Handover {
  spec::ContainerProcessState state;
  UniqueFd notify_fd;
};

// One connection of a runtime, read as its bytes come. A runtime may connect at `create` and send only at
// `start`, send in several pieces of which only the first carries descriptors, keep the connection open after
// the message, or close it without one: all of that is legal, and none of it holds up another connection.
class HandoverConnection {
 public:
  enum class Progress {
    kWaiting,   // call again when the socket is readable
    kComplete,  // take() the hand-over; the connection is done
    kEmpty,     // closed without a word: the runtime failed after connecting
  };

  // REQUIRES: `socket` is a connected Unix stream socket that does not block. EACCES when its peer is neither
  // root nor our own user.
  static Result<HandoverConnection> make(UniqueFd socket);

  [[nodiscard]] int socket() const { return socket_.get(); }

  // Reads what is there. An error ends the connection; what was received is closed with it.
  Result<Progress> read();

  // REQUIRES: read() said kComplete. Error: the message is not what the specification says.
  Result<Handover> take();

  // A message's bound: annotations are part of it, and runtimes bound those far lower.
  static constexpr std::size_t kLimit = 4U << 20U;
  // Descriptors of one message; the kernel takes 253 (SCM_MAX_FD), the specification needs one.
  static constexpr std::size_t kMaxFds = 8;

 private:
  explicit HandoverConnection(UniqueFd socket) : socket_(std::move(socket)) {}

  UniqueFd socket_;
  std::vector<UniqueFd> fds_;
  std::string message_;
  spec::JsonObjectScanner scanner_;
};

}  // namespace tidewaiter::supervisor
