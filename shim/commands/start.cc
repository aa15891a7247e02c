#include <cstdlib>
#include <string>

#include "oci/base/system.h"
#include "oci/container/hosts_file.h"
#include "oci/container/record.h"
#include "shim/commands/commands.h"
#include "shim/failure.h"
#include "shim/runtime.h"

// `start`: the runtime's own. podman writes the container's own entries of /etc/hosts between `create` and
// `start`, when it knows the addresses. The agent, where there is one, follows that, a moment later; the
// workload is to find them with its first look.

namespace tidewaiter::shim {
namespace {

using container::Record;

Status follow_hosts(const Invocation& invocation, const std::string& id) {
  const std::string state_folder = TRY(invocation.state_folder(id));
  const std::string path = state_folder + "/" + Record::kHostsName;
  if (!sys::stat(path)) return {};
  const Record record = TRY(container::read_record(state_folder));
  if (!record.hosts) return {};
  auto hosts = TRY(container::HostsFile::open(path, *record.hosts, record.pinned_hosts));
  return hosts.follow_base();
}

}  // namespace

int start(const Invocation& invocation) {
  const ContainerOptions options = read_container_options(invocation.line, invocation.spelling());
  if (!options.id.empty() && !invocation.directories.state.empty()) {
    // No reason not to start it: the names that the policy pins, or allows, are there.
    const Status followed = follow_hosts(invocation, options.id);
    if (!followed) report_warning(invocation.line, options.id, followed.error());
  }
  report_failure(invocation.line, options.id, become_runtime(invocation.runtime, invocation.line));
  return EXIT_FAILURE;
}

}  // namespace tidewaiter::shim
