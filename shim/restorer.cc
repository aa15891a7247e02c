#include "shim/restorer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "oci/base/detached_process.h"
#include "oci/base/system.h"
#include "oci/container/bundle.h"

namespace tidewaiter::shim {
namespace {

constexpr std::chrono::minutes kPatience{10};

// This process has one thread, so its fork may do as it likes.
[[noreturn]] void wait_and_restore(int runtime, const std::string& config_path, const std::string& owner,
                                   const StateFolder* state) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null >= 0) ::dup2(null, stream);
  }
  // Whoever waits for the end of a pipe of the caller's must not wait for us.
  const int kept = state == nullptr ? 1 : 2;
  if (state != nullptr) {
    // Above both places, so that neither dup2 closes what the other one is about to copy.
    runtime = ::fcntl(runtime, F_DUPFD_CLOEXEC, STDERR_FILENO + 3);
    const int lock = ::fcntl(state->lock, F_DUPFD_CLOEXEC, STDERR_FILENO + 3);
    if (lock < 0 || ::dup2(lock, STDERR_FILENO + 2) < 0) ::_exit(1);
  }
  if (::dup2(runtime, STDERR_FILENO + 1) < 0) ::_exit(1);
  if (::close_range(static_cast<unsigned>(STDERR_FILENO + 1 + kept), ~0U, 0) != 0) ::_exit(1);
  for (int fd = STDERR_FILENO + 1; fd <= STDERR_FILENO + kept; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  // Not where the runtime is asked, whose --root may be relative.
  if (state == nullptr && ::chdir("/") != 0) ::_exit(1);
  struct pollfd ended = {STDERR_FILENO + 1, POLLIN, 0};
  while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  // The folder before the bundle: whoever sees that the bundle is back shall not find what is about to go.
  if (state != nullptr && !state->has_container()) static_cast<void>(sys::remove_tree(state->path));
  // Whoever creates another container from it now has it for a moment only.
  const auto lock = container::lock_bundle(config_path, kPatience);
  ::_exit(lock && container::Bundle::restore(config_path, owner) ? 0 : 1);
}

}  // namespace

Status restore_when_ended(const std::string& config_path, const std::string& owner,
                          const StateFolder* state) {
  const UniqueFd runtime = TRY(sys::pidfd_open(::getpid()));
  TRY(DetachedProcess::start([&] { wait_and_restore(runtime.get(), config_path, owner, state); }));
  return {};
}

}  // namespace tidewaiter::shim
