#pragma once

#include <vector>

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// "copy_on_write" of the section "files".
std::vector<CopyRule> read_copy_rules(Reader& reader, const Place& place);

// What each of those rules says that another one, or a denial, does not let be. `place`: the section.
void check_copies(Reader& reader, const Place& place, const FilesPolicy& files);

}  // namespace tidewaiter::policy
