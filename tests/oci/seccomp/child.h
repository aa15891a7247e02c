#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <utility>
#include <vector>

#include "oci/base/system.h"
#include "oci/base/unique_fd.h"

// A forked child for tests that load filters: a filter cannot be taken off again, so the test itself must
// never carry one.

namespace tidewaiter::seccomp {

class Child {
 public:
  // Forks a child that reports what `body` returns, and exits. Abort: no pipe or no process left.
  explicit Child(const std::function<std::vector<long>()>& body) {
    auto report = sys::pipe();
    if (!report) std::abort();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) std::abort();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      const std::vector<long> reported = body();
      const auto size = reported.size() * sizeof(long);
      ::_exit(::write(report->write_end.get(), reported.data(), size) == static_cast<ssize_t>(size) ? 0 : 1);
    }
    report_ = std::move(report->read_end);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    (void)wait();
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

  // What the body returned, when it has; empty when the child died first, or hangs for ten seconds.
  [[nodiscard]] std::vector<long> report() {
    std::vector<long> reported;
    long value = 0;
    for (;;) {
      struct pollfd waiting {
        report_.get(), POLLIN, 0
      };
      int ready = 0;
      do {
        ready = ::poll(&waiting, 1, 10'000);
      } while (ready < 0 && errno == EINTR);
      if (ready != 1) return reported;
      const auto got = sys::read(report_.get(), &value, sizeof value);
      if (!got || *got != sizeof value) return reported;
      reported.push_back(value);
    }
  }

  // The first value of the report, or a value no test expects.
  [[nodiscard]] long result() {
    const std::vector<long> reported = report();
    return reported.empty() ? kNothing : reported.front();
  }
  static constexpr long kNothing = -99999;

  // The wait status (wait(2)), once.
  [[nodiscard]] int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd report_;
};

// The result of a system call as the kernel gives it: a negative errno for a failure.
template <typename... Arguments>
long raw_call(long number, Arguments... arguments) {
  const long result = ::syscall(number, arguments...);
  return result == -1 ? -errno : result;
}

}  // namespace tidewaiter::seccomp
