#pragma once

#include <sys/types.h>

#include <string>

#include "oci/base/result.h"
#include "oci/container/record.h"
#include "oci/spec/config.h"

// Where tidewaiter-init is in the container (policy::Plan::init). The runtime finds it by its path, and
// whoever could have that path lead elsewhere would have a program of his own run in its place, under no file
// rules. Where no symbolic link is on the way nobody can: it is a mount in a mount, or in the root, and Linux
// neither renames nor removes what something is mounted on; to unmount anything Landlock forbids.

namespace tidewaiter::shim {

// Before there is a container: an error where its root file system, as far as the bundle shows it, has a
// symbolic link on the way to `place`, or something is mounted over it. `bundle`: the folder that a relative
// root is in.
Status check_init_place(const spec::Json& config, const std::string& bundle, const std::string& place);

// In a container that is there, whose first process is `pid`: an error unless `init` is what is mounted at
// `place`, and no link leads there.
Status check_init_bound(pid_t pid, const std::string& place, const container::Record::File& init);

}  // namespace tidewaiter::shim
