#pragma once

#include <sys/types.h>

#include <functional>

#include "oci/base/result.h"

namespace tidewaiter {

// A process that outlives us as nobody's child: in a session of its own, so that neither our caller's
// terminal nor a signal to its process group reaches it, and nothing for our caller, or for the program that
// we become, to wait for. Whoever starts it takes care of what it inherits.
class DetachedProcess {
 public:
  enum class Memory {
    kOwn,   // a copy of ours (fork(2))
    kOurs,  // ours, which stands still until it executes a program or ends (vfork(2)): far cheaper
  };

  // Runs `body`, which must not return, in the process. REQUIRES: this process has one thread; in our memory
  // `body` makes system calls only, and changes nothing.
  static Result<DetachedProcess> start(const std::function<void()>& body, Memory memory = Memory::kOwn);

  DetachedProcess(DetachedProcess&& other) noexcept;
  DetachedProcess(const DetachedProcess&) = delete;
  DetachedProcess& operator=(const DetachedProcess&) = delete;
  DetachedProcess& operator=(DetachedProcess&&) = delete;
  ~DetachedProcess();  // lets it go on without us

  // Ends it (SIGKILL), with what it has started in its process group.
  void kill() const;

 private:
  explicit DetachedProcess(pid_t group) : group_(group) {}

  // The process between us and it, which has ended at once. Until we wait for that one, its pid, which is the
  // other's process group, can be nobody else's. 0: moved away.
  pid_t group_;
};

}  // namespace tidewaiter
