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
  std::size_t index = 0;  // of that descriptor, among those that came
};

// The message of one RuntimeConnection, as far as it has come.
class HandoverMessage {
 public:
  enum class Progress {
    kWaiting,   // for more
    kComplete,  // take() the hand-over; the connection is done
    kEmpty,     // closed without a word: the runtime failed after connecting
  };

  // `bytes`: RuntimeConnection::bytes().
  explicit HandoverMessage(UniqueFd bytes) : bytes_(std::move(bytes)) {}

  // `fds` came with the first bytes.
  void add_fds(std::vector<UniqueFd> fds) { fds_ = std::move(fds); }
  // So many bytes have come by now, and whether no more will. An error: it is no state.
  Result<Progress> read(std::size_t size, bool closed);

  // REQUIRES: read() said kComplete. Error: the message is not what the specification says.
  Result<Handover> take();

 private:
  UniqueFd bytes_;
  std::vector<UniqueFd> fds_;
  std::string message_;
  spec::JsonObjectScanner scanner_;
};

}  // namespace tidewaiter::supervisor
