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

// Where the process has what it was left with: nothing else of the caller's stays open, for whoever waits for
// the end of a pipe must not wait for us.
constexpr int kRuntime = STDERR_FILENO + 1;
constexpr int kLock = kRuntime + 1;

// False where a descriptor could not be had.
bool keep_only(int runtime, int lock) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null >= 0) ::dup2(null, stream);
  }
  if (lock < 0) return ::dup2(runtime, kRuntime) >= 0 && ::close_range(kRuntime + 1, ~0U, 0) == 0;
  // Above both places, so that neither dup3 closes what the other one is about to copy. None of them is for
  // the runtime that is asked.
  const int high_runtime = ::fcntl(runtime, F_DUPFD_CLOEXEC, kLock + 1);
  const int high_lock = ::fcntl(lock, F_DUPFD_CLOEXEC, kLock + 1);
  return high_runtime >= 0 && high_lock >= 0 && ::dup3(high_runtime, kRuntime, O_CLOEXEC) >= 0 &&
         ::dup3(high_lock, kLock, O_CLOEXEC) >= 0 && ::close_range(kLock + 1, ~0U, 0) == 0;
}

// This process has one thread, so its fork may do as it likes.
[[noreturn]] void wait_and_restore(int runtime, const std::string& config_path, const std::string& owner,
                                   const StateFolder* state) {
  if (!keep_only(runtime, state == nullptr ? -1 : state->lock) || ::chdir("/") != 0) ::_exit(1);
  struct pollfd ended = {kRuntime, POLLIN, 0};
  while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  if (state != nullptr) {
    // The folder before the bundle: whoever sees that the bundle is back shall not find what is about to go.
    if (!state->has_container()) static_cast<void>(sys::remove_tree(state->path));
    // Who deletes the container does not wait for the bundle.
    ::close(kLock);
  }
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
