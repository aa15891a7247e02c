#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "oci/base/result.h"

namespace tidewaiter::supervisor {

// Tells the calls a runtime makes under a new filter from those of the workload.
//
// Without noNewPrivileges a runtime loads the filter while it is still root, and goes on as itself: it drops
// privileges, changes the working directory, executes the workload. A policy that refuses setuid is not meant
// for that. Nothing about the caller says who it is, for a runtime does not wait for the agent and an image
// can have the runtime's own file executed; but no code other than the runtime's comes under a filter before
// an execve under that same filter has been let run. So where every execve notifies, the start ends with the
// first.
//
// One for each listener. Thread-safe.
class Start {
 public:
  // `exempt`: whether there is anything to tell apart. False where an execve might not notify.
  // `kept`: where it is noted for another worker; zero at the beginning.
  Start(bool exempt, std::atomic<std::uint32_t>& kept) : kept_(kept), over_(!exempt || kept != 0) {}

  // Whether over() would not wait, for it is over.
  [[nodiscard]] bool known_to_be_over() const { return over_.load(std::memory_order_acquire); }

  // Whether the calls that notify now may be the workload's. Waits for an execve that is being answered.
  [[nodiscard]] bool over() const {
    if (known_to_be_over()) return true;
    const std::lock_guard lock(mutex_);
    return over_.load(std::memory_order_relaxed);
  }

  // Answers an execve by `send`. Whoever asks over() meanwhile, for the workload may call at once, waits for
  // what comes of it. Only an answer that arrived ends the start: a signal may take the caller out of the
  // call, which then comes again.
  template <typename Send>
  Status end_by(const Send& send) {
    if (over_.load(std::memory_order_acquire)) return send();
    const std::lock_guard lock(mutex_);
    // Before: a worker that dies right after the answer must not leave the next one with a workload that may
    // what the runtime may.
    kept_.store(1, std::memory_order_release);
    Status sent = send();
    // Once true it stays so, which is why it may be looked at without the lock.
    if (sent) over_.store(true, std::memory_order_release);
    if (!sent) kept_.store(0, std::memory_order_release);
    return sent;
  }

 private:
  std::atomic<std::uint32_t>& kept_;
  mutable std::mutex mutex_;
  std::atomic<bool> over_;
};

}  // namespace tidewaiter::supervisor
