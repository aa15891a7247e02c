#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// When a container is to be stopped (limits.timeout), and its first process, with which the kernel ends all
// others of its pid namespace (pid_namespaces(7)). Both are descriptors, so that time goes on while no worker
// is there.
class Deadline {
 public:
  // Passes after `timeout` from now on, while the machine is suspended too (CLOCK_BOOTTIME, which nobody
  // sets), and then every `grace`. `first`: by its pid here. `notify_fd` (borrowed): the container's.
  // nullopt: it has gone already. An error: 0, or a number of nobody's.
  static Result<std::optional<Deadline>> set(pid_t first, int notify_fd, std::chrono::seconds timeout,
                                             std::chrono::seconds grace);
  // As another worker has set it.
  Deadline(UniqueFd timer, UniqueFd first) : timer_(std::move(timer)), first_(std::move(first)) {}

  [[nodiscard]] int timer() const { return timer_.get(); }          // timerfd; readable when it has passed
  [[nodiscard]] int first_process() const { return first_.get(); }  // pidfd
  // Of the first process; 0 when it has ended.
  [[nodiscard]] pid_t first_pid() const;

  // Whether it has passed since anybody last asked.
  [[nodiscard]] bool passed() const;
  // pidfd_send_signal(2) to the first process. ESRCH: it has ended.
  [[nodiscard]] Status signal(int number) const;

 private:
  UniqueFd timer_;
  UniqueFd first_;
};

}  // namespace tidewaiter::supervisor
