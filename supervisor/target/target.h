#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
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
  // Of the process, when this was read; 0: not known, or that is long ago. No event says it.
  std::uint64_t threads = 0;
};

struct ThreadGroup {
  pid_t pid = 0;
  std::uint64_t threads = 0;
};

// As whom a task sends: what the kernel attaches to its messages on Unix sockets (unix(7), SCM_CREDENTIALS).
struct Credentials {
  pid_t process = 0;                // thread group, in the agent's pid namespace
  pid_t own_number = 0;             // and in the task's
  std::array<uid_t, 3> users = {};  // real, effective, saved, in the agent's user namespace
  std::array<gid_t, 3> groups = {};
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

  // Opens its memory for writing; with open(), before the notification is known to stand still.
  Status open_memory();
  // Writes its memory. REQUIRES: open_memory() succeeded.
  Status write(TargetAddress address, std::span<const std::byte> bytes) const {
    return kernel_.write_memory(memory_.get(), address, bytes);
  }

  // SIGPIPE, that comes with EPIPE (send(2)). REQUIRES: open() or duplicate_fd() succeeded.
  Status break_pipe();

  // SIGKILL to its process. REQUIRES: open() succeeded.
  Status kill();

  [[nodiscard]] Identity identity() const;

  // Its thread group, in the agent's pid namespace.
  [[nodiscard]] Result<pid_t> process() const;
  // From /proc/TID/status; an error where it does not say so.
  [[nodiscard]] Result<ThreadGroup> thread_group() const;

  // Its number, or its process's, in its own pid namespace: the last of the `field` (NSpid, NStgid) of
  // /proc/TID/status.
  [[nodiscard]] Result<std::string> innermost_number(const char* field) const;

  // Whether it has `capability` in its own user namespace (CapEff in /proc/TID/status).
  [[nodiscard]] Result<bool> has_capability(int capability) const;

  // From /proc/TID/status; an error where it does not say all of it.
  [[nodiscard]] Result<Credentials> credentials() const;

  // What the agent calls the user (`map` is "uid_map") or group ("gid_map") that the task calls `id`. EINVAL:
  // the task's user namespace has none (user_namespaces(7)).
  [[nodiscard]] Result<std::uint32_t> id_outside(const char* map, std::uint32_t id) const;

 private:
  Result<int> pidfd();

  Kernel& kernel_;
  pid_t tid_;
  UniqueFd pidfd_;
  UniqueFd memory_;
};

}  // namespace tidewaiter::supervisor
