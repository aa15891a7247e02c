#pragma once

#include <map>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"
#include "oci/spec/config.h"

// What files.copy_on_write names in a container that is about to be created.

namespace tidewaiter::shim {

// What the bundle binds at the paths of `rules`, canonical, by path: for policy::Listener::copied_folders.
// `bundle`: the folder that relative paths of `config` are in. `layers`: where the copies will lie. An error,
// with the rule's pointer, where
// - what is bound is no folder, or has other file systems mounted in it, which an overlay does not show;
// - another mount of the bundle, that can be written to, shows the same, so that not all changes would be
// kept
//   apart;
// - the container would see the layers, or their file system cannot hold an upper one.
Result<std::map<std::string, std::string, std::less<>>> find_copied_folders(
    const std::vector<policy::CopyRule>& rules, const spec::Json& config, const std::string& bundle,
    const std::string& layers);

}  // namespace tidewaiter::shim
