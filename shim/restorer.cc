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
                                   const std::function<void()>& afterwards) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null >= 0) ::dup2(null, stream);
  }
  // Whoever waits for the end of a pipe of the caller's must not wait for us.
  if (::dup2(runtime, STDERR_FILENO + 1) < 0 || ::close_range(STDERR_FILENO + 2, ~0U, 0) != 0) ::_exit(1);
  if (::chdir("/") != 0) ::_exit(1);
  struct pollfd ended = {STDERR_FILENO + 1, POLLIN, 0};
  while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  bool restored = false;
  {
    // Whoever creates another container from it now has it for a moment only.
    const auto lock = container::lock_bundle(config_path, kPatience);
    restored = lock && container::Bundle::restore(config_path, owner);
  }
  if (afterwards) afterwards();
  ::_exit(restored ? 0 : 1);
}

}  // namespace

Status restore_when_ended(const std::string& config_path, const std::string& owner,
                          const std::function<void()>& afterwards) {
  const UniqueFd runtime = TRY(sys::pidfd_open(::getpid()));
  TRY(DetachedProcess::start([&] { wait_and_restore(runtime.get(), config_path, owner, afterwards); }));
  return {};
}

}  // namespace tidewaiter::shim
