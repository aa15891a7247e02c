#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/compile.h"
#include "oci/policy/policy.h"

// The part of compile() that is about `files.copy_on_write`. An overlay takes the bind mount's place: its
// lower layer is the bind mount's source, and what the container writes goes to an upper layer of our own
// (Documentation/filesystems/overlayfs.rst). So the source stays as it is whatever the container does, and
// nothing is asked of anybody while it runs.
//
// Two hooks of the bundle (runtime-spec, config.md, "POSIX-platform Hooks") make sure that somebody settles
// what was written: at createRuntime the program attends on the container's first process, whose exit code
// decides; at poststop the runtime waits until that is done, or has it done where the other is dead.

namespace tidewaiter::policy {

// Whether any folder is. In audit mode as well: nothing is refused by it.
bool copies(const Policy& policy);

// The entry of /mounts that a rule is about: a bind mount that can be written to, of the bundle's own. The
// error says what is there instead.
Result<const nlohmann::ordered_json*> copied_mount(const CopyRule& rule,
                                                   const nlohmann::ordered_json& config);

// Where the layers of the rule with this number are, below Listener::copies_folder.
std::string upper_folder(const std::string& copies_folder, std::size_t number);
std::string work_folder(const std::string& copies_folder, std::size_t number);

// An error when a path cannot be said in an overlay's options.
Status check_overlay_path(const std::string& path);

// Puts the overlays in the place of the bind mounts, and the hooks in front of the bundle's own createRuntime
// ones and behind its poststop ones. REQUIRES: copies().
Status mount_copies(nlohmann::ordered_json& config, const FilesPolicy& files, const Listener& listener);

// The rows of `policy explain`.
std::vector<PlanRow> copies_rows(const Policy& policy, const Listener& listener);

}  // namespace tidewaiter::policy
