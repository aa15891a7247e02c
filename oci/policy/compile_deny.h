#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/compile.h"
#include "oci/policy/policy.h"

// The part of compile() that is about `files.deny`. Landlock knows what is allowed and no exceptions from it;
// so what is denied is covered, in the container's own mount namespace, by another mount: a folder by an
// empty file system, anything else by a socket that nobody listens on, which open(2) refuses to everybody
// (ENXIO).
//
// That holds against other ways to the same place: links, renames of the folders above, /proc/PID/root, for
// a mount belongs to a place in the tree and not to a name; the covered name itself can be neither renamed
// nor removed. A name that is not there yet is made, so that nobody else makes it. It does not hold for other
// names of the same file. Those that can be found, other mounts of the same in the bundle and hard links, are
// an error (shim/denied_paths.h); those that cannot are named as open. What would look under a mount is in
// the baseline.

namespace tidewaiter::policy {

// Whether anything is covered: in audit mode nothing is.
bool covers(const Policy& policy);

// Mounts what covers the denied paths, behind all other mounts. `init_place`: where tidewaiter-init will be
// bound; empty: nowhere. REQUIRES: covers().
Status cover_denied(nlohmann::ordered_json& config, const FilesPolicy& files, const Listener& listener,
                    const std::string& init_place);

// The rows of `policy explain`.
std::vector<PlanRow> denied_rows(const Policy& policy, const Listener& listener);

}  // namespace tidewaiter::policy
