#include "supervisor/worker/deadline.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "oci/base/system.h"

namespace tidewaiter::supervisor {

Result<std::optional<Deadline>> Deadline::set(pid_t first, int notify_fd, std::chrono::seconds timeout,
                                              std::chrono::seconds grace) {
  if (first == 0) return fail("the runtime does not name the container's first process");
  auto process = sys::pidfd_open(first);
  // As long as anybody is under the filter the first process is there, and the number its own.
  struct pollfd filter {
    .fd = notify_fd, .events = 0, .revents = 0
  };
  if (::poll(&filter, 1, 0) > 0 && (filter.revents & POLLHUP) != 0) return std::nullopt;
  if (!process) return fail(process.error().code, "the container's first process");
  UniqueFd timer(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) return fail(errno, "timerfd_create");
  struct itimerspec when {};
  when.it_value.tv_sec = timeout.count();
  when.it_interval.tv_sec = grace.count();
  if (::timerfd_settime(timer.get(), 0, &when, nullptr) != 0) return fail(errno, "timerfd_settime");
  return Deadline(std::move(timer), std::move(*process));
}

pid_t Deadline::first_pid() const {
  // pidfd_open(2): -1 when it has ended.
  constexpr std::string_view kKey = "\nPid:\t";
  const std::string text =
      sys::read_file("/proc/self/fdinfo/" + std::to_string(first_.get())).value_or(std::string());
  const std::size_t at = text.find(kKey);
  if (at == std::string::npos) return 0;
  const char* const number = text.data() + at + kKey.size();
  pid_t pid = 0;
  (void)std::from_chars(number, text.data() + text.size(), pid);
  return std::max<pid_t>(pid, 0);
}

bool Deadline::passed() const {
  std::uint64_t expirations = 0;
  return sys::read(timer_.get(), &expirations, sizeof expirations).has_value();
}

Status Deadline::signal(int number) const {
  if (::syscall(SYS_pidfd_send_signal, first_.get(), number, nullptr, 0) == 0) return {};
  return fail(errno, "pidfd_send_signal");
}

}  // namespace tidewaiter::supervisor
