#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "shim/commands/commands.h"
#include "shim/failure.h"
#include "shim/runtime.h"
#include "shim/supervised.h"

// `delete`: the runtime's own, and after it nothing of ours is left either. The agent goes by itself when its
// container has gone; a dead one is cleaned up after.

namespace tidewaiter::shim {
namespace {

bool container_is_gone(const Invocation& invocation, const std::string& id, const std::string& state_folder,
                       int wait_status) {
  // `delete --force` succeeds where there is nothing.
  if (stands_for_another(invocation, id, state_folder)) return false;
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return true;
  // A failure may mean that there was none to delete.
  return !runtime_knows(invocation.runtime, invocation.line, id).value_or(true);
}

}  // namespace

int remove(const Invocation& invocation) {
  const ContainerOptions options = read_container_options(invocation.line, invocation.spelling());
  const auto state_folder = invocation.state_folder(options.id);
  if (!state_folder || !sys::stat(*state_folder)) {
    report_failure(invocation.line, options.id, become_runtime(invocation.runtime, invocation.line));
    return EXIT_FAILURE;
  }
  const auto status = run_runtime(invocation.runtime, invocation.line);
  if (!status) {
    report_failure(invocation.line, options.id, status.error());
    return EXIT_FAILURE;
  }
  if (container_is_gone(invocation, options.id, *state_folder, *status)) {
    // The container is deleted all the same: what is left of ours is no failure of that.
    const Status cleared = clear_supervision(*state_folder);
    if (!cleared) report_warning(invocation.line, options.id, cleared.error());
  }
  end_like(*status);
}

}  // namespace tidewaiter::shim
