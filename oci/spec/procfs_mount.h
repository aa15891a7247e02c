#pragma once

#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/spec/config.h"

// procfs as the container sees it (proc(5)): where it is mounted, whose processes it shows, and how the
// runtime mounts it read-only.

namespace tidewaiter::spec {

// Where the bundle's mounts show procfs: mounts of type proc, and bind mounts of the host's /proc, of a part
// of it, or recursive ones of the host's root, as a root file system at "/" is one. Absolute paths without a
// slash at the end, each once. A bind mount's source is taken by its name: a symbolic link to /proc, or a
// procfs that the host has elsewhere, is not seen.
std::vector<std::string> procfs_mounts(const Json& config);

// Whether a procfs of the bundle's may show processes other than the container's own: with a pid namespace
// that others have too, or where the host's procfs is shown.
bool procfs_shows_others(const Json& config);

// Whether they may be the host's: with its pid namespace, or where its procfs is shown. A pid namespace that
// is joined by its path is taken for that of other containers, as those of a pod share one.
bool procfs_shows_host(const Json& config);

// Whether the runtime has to write to the container's procfs when it has set the mounts up, and for every
// process that it executes in it later: it gives them their AppArmor profile or SELinux label by
// /proc/self/attr.
bool labels_processes(const Json& config);

// Has the runtime make the procfs mounts read-only (linux.readonlyPaths, runtime-spec, config-linux.md): for
// each file, writing fails with EROFS, be its mode what it may. What the files lead to, as /proc/self/fd/1
// does, can be written to as before. What the bundle masks below them stays masked. Fails when a list of the
// bundle's is none.
Status make_procfs_read_only(Json& config);

}  // namespace tidewaiter::spec
