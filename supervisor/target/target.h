#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "supervisor/target/kernel.h"

namespace tidewaiter::supervisor {

// What an event says about who made a call. From /proc; empty where it could not be read.
struct Identity {
  pid_t pid = 0;         // thread group
  pid_t parent_pid = 0;  // as the agent's pid namespace sees them
  std::string executable;
};

// The task that waits in a notified call. What is taken from it through its thread id proves nothing until
// Session has asked once more whether the notification still stands: only then was it the same task all
// along, for a task that waits can neither exit nor give its number away.
class Target {
 public:
  Target(Kernel& kernel, pid_t tid) : kernel_(kernel), tid_(tid) {}

  [[nodiscard]] pid_t tid() const { return tid_; }

  // A copy of its descriptor. EBADF as the call itself would answer.
  Result<UniqueFd> duplicate_fd(int number);

  // Reads its memory, once; whoever reads twice reads two different things.
  Status read(TargetAddress address, std::span<std::byte> buffer) const {
    return kernel_.read_memory(tid_, address, buffer);
  }

  // Opens the task itself; what was opened is to be trusted once the notification is known to stand still.
  Status open();

  // SIGKILL to its process. REQUIRES: open() succeeded.
  Status kill();

  [[nodiscard]] Identity identity() const;

  // Its number, or its process's, in its own pid namespace: the last of the `field` (NSpid, NStgid) of
  // /proc/TID/status.
  [[nodiscard]] Result<std::string> innermost_number(const char* field) const;

  // Whether it has `capability` in its own user namespace (CapEff in /proc/TID/status).
  [[nodiscard]] Result<bool> has_capability(int capability) const;

 private:
  Result<int> pidfd();

  Kernel& kernel_;
  pid_t tid_;
  UniqueFd pidfd_;
};

}  // namespace tidewaiter::supervisor
