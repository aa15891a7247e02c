#include "oci/base/detached_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

namespace tidewaiter {
namespace {

// The end of a child must not wait, blocked and pending, for the program that this process becomes.
void drop_pending_sigchld() {
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, SIGCHLD);
  const struct timespec now {};
  while (::sigtimedwait(&only, nullptr, &now) > 0) {
  }
}

// Sanitizers keep the place to which vfork(2) returns for one at a time, and ours has a child of its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOneVfork = true;
#else
constexpr bool kOneVfork = false;
#endif

}  // namespace

Result<DetachedProcess> DetachedProcess::start(const std::function<void()>& body, Memory memory) {
  const bool copy = memory == Memory::kOwn || kOneVfork;
  // Nothing between a vfork(2) and its child's end may return from this function.
  const pid_t between = copy ? ::fork() : ::vfork();  // NOLINT(*-unsafe-functions,clang-analyzer-security*)
  if (between < 0) return fail(errno, "fork");
  if (between == 0) {
    ::setsid();
    const pid_t pid = copy ? ::fork() : ::vfork();  // NOLINT(*-unsafe-functions,clang-analyzer-security*)
    if (pid == 0) body();
    ::_exit(pid < 0 ? 1 : 0);
  }
  DetachedProcess process(between);
  // It is left unwaited for, see `group_`. ECHILD where the caller ignores SIGCHLD: then its end is not told.
  siginfo_t ended{};
  int result = 0;
  do {
    result = ::waitid(P_PID, static_cast<id_t>(between), &ended, WEXITED | WNOWAIT);
  } while (result != 0 && errno == EINTR);
  if (result == 0 && ended.si_status != 0) return fail(EAGAIN, "fork");
  return process;
}

DetachedProcess::DetachedProcess(DetachedProcess&& other) noexcept : group_(std::exchange(other.group_, 0)) {}

DetachedProcess::~DetachedProcess() {
  if (group_ == 0) return;
  while (::waitpid(group_, nullptr, 0) < 0 && errno == EINTR) {
  }
  drop_pending_sigchld();
}

void DetachedProcess::kill() const {
  // 0 would be our own group, 1 everybody.
  if (group_ > 1) ::kill(-group_, SIGKILL);
}

}  // namespace tidewaiter
