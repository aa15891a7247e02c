#pragma once

#include <sys/types.h>

#include <atomic>
#include <optional>
#include <string>

#include "supervisor/target/target.h"

namespace tidewaiter::supervisor {

// Tells the runtime's own init from the workload it is about to become.
//
// Without noNewPrivileges a runtime loads the filter while it is still root and then goes on as itself: it
// drops privileges, sets the working directory and executes the workload. A policy that refuses setuid, say,
// is meant for the workload; the runtime must not fail for it. A process is the runtime's init as long as it
// is the first process of its filter and still runs the program image that loaded it.
class RuntimeInit {
 public:
  // `loader`: who loaded the filter, from the container process state; 0 when the runtime did not say (crun's
  // `exec`). Then nobody is let through: that a process runs the runtime's file proves nothing, for an image
  // can have /proc/self/exe executed with a dynamic loader of its own.
  RuntimeInit(Kernel& kernel, pid_t loader);

  // Whether `target`, a task that waits in a notification, is it. Once the workload runs the answer is no for
  // ever. Thread-safe.
  bool is(const Target& target);

 private:
  // The program a process runs, and this very execution of it: device and inode of /proc/PID/exe, and the
  // auxiliary vector, whose random addresses are new after every execve(2).
  struct Image {
    std::string executable;
    std::string auxiliary_vector;
    bool operator==(const Image&) const = default;
  };
  static std::optional<Image> image_of(Kernel& kernel, pid_t pid);

  Kernel& kernel_;
  pid_t loader_;
  std::optional<Image> image_;  // of the loader
  std::atomic<bool> over_ = false;
};

}  // namespace tidewaiter::supervisor
