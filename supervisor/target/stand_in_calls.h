#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// For whom a stand-in is to be made: a target in its notified call.
struct StandInRequest {
  pid_t tid = 0;      // the target
  pid_t process = 0;  // its thread group
  long number = -1;   // of the call it waits in, and what it said
  std::array<std::uint64_t, 6> arguments = {};
  // Whether the notification still stands.
  std::function<bool()> stands = {};
  // Whether calls that the container's filter does not know may be tried under it, where it cannot be
  // passed over: they fail, and kill nobody.
  bool spares_unknown_calls = false;
  // Of a call that sends several messages: which one is next, from 1 on; else 0.
  long message = 0;
  // Whether what is under way is to be given up, the agent being about to end.
  std::function<bool()> stopping = {};
};

// A stand-in (stand_in.h), as whoever decides what it calls sees it. Not finished when it is dropped: the
// target's call fails with EPERM.
class StandInCalls {
 public:
  virtual ~StandInCalls() = default;

  // Where `bytes`, put into the sealed memory at `offset` of this call's part, will be read.
  // REQUIRES: they fit into SealedMemory::kSlotSize.
  virtual std::uint64_t put(std::size_t offset, std::span<const std::byte> bytes) = 0;

  // Makes a call that the filter is not to see, or that it lets run; its value, or its errno.
  // EINTR: the target got a signal meanwhile. Where filters cannot be passed over, one of the target's own
  // may have answered in the kernel's place: what matters is to be looked at.
  virtual Result<long> call(long number, const std::array<std::uint64_t, 6>& arguments) = 0;

  // Makes a call of the kind the target waits in, as the filter tells the agent. The value, or a negative
  // errno, as a thread's register has it; -ERESTARTSYS and its like when a signal for the target ended it.
  // `message`: of a call that sends several, which one this is, from 1 on; else 0.
  virtual Result<long> perform(long number, const std::array<std::uint64_t, 6>& arguments, long message) = 0;

  // A copy of its descriptor. ESRCH: it is gone.
  [[nodiscard]] virtual Result<UniqueFd> duplicate_fd(int number) const = 0;
  // What its descriptor stands for, and its working directory (O_PATH).
  [[nodiscard]] virtual Result<UniqueFd> open_descriptor(int number) const = 0;
  [[nodiscard]] virtual Result<UniqueFd> open_working_directory() const = 0;

  // Ends the thread, and has the target return `result` from its call. ENOENT: there is no target any more.
  virtual Status finish(long result) = 0;

  // -ERESTARTSYS (include/linux/errno.h): a signal came in between.
  static constexpr long kRestart = -512;
  // -ERESTARTNOINTR: the kernel makes the call again, whatever the target's handlers say.
  static constexpr long kRestartAlways = -513;
};

}  // namespace tidewaiter::supervisor
