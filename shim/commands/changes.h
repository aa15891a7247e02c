#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include "oci/base/result.h"
#include "oci/container/directories.h"

namespace tidewaiter::shim {

struct ChangesOptions {
  std::optional<std::string> id;  // absent: which containers have any
  bool json = false;
  container::Directories directories;  // by which ids and names are told
  enum class Verb { kList, kCommit, kDiscard } verb = Verb::kList;
};

// `folder`: where the changes of all containers are.
Status run_changes(const std::string& folder, const ChangesOptions& options, std::ostream& out);

}  // namespace tidewaiter::shim
