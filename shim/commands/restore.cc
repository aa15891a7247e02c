#include <cstdlib>
#include <string>

#include "oci/container/settings.h"
#include "shim/commands/commands.h"
#include "shim/failure.h"
#include "shim/runtime.h"
#include "shim/supervised.h"

// `restore`: a checkpoint brings its processes back with the filters they had, which no bundle can change and
// no agent would hear of. Under a policy it is refused, or it would be a way round `create`.

namespace tidewaiter::shim {
namespace {

Status refuse_under_policy(const Invocation& invocation, const ContainerOptions& options) {
  const auto bundle = TRY(open_bundle(invocation, options));
  if (!bundle) return {};
  const auto policy = TRY(container::policy_path(invocation.settings, bundle->original()));
  if (!policy) return {};
  return fail("the policy " + *policy + " applies, and a checkpoint cannot be put under one");
}

}  // namespace

int restore(const Invocation& invocation) {
  ContainerOptions options = read_container_options(invocation.line, invocation.spelling());
  options.config.reset();  // no runtime's `restore` has it
  if (!options.id.empty()) {
    const Status allowed = refuse_under_policy(invocation, options);
    if (!allowed) {
      report_failure(invocation.line, options.id, allowed.error());
      return EXIT_FAILURE;
    }
  }
  report_failure(invocation.line, options.id, become_runtime(invocation.runtime, invocation.line));
  return EXIT_FAILURE;
}

}  // namespace tidewaiter::shim
