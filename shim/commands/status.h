#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "oci/base/result.h"
#include "oci/container/directories.h"

namespace tidewaiter::shim {

struct StatusOptions {
  std::optional<std::string> id;  // or the beginning of one; absent: all
  bool json = false;
};

// What `tidewaiter status` prints: a line, or an object, for each supervised container.
Status print_status(const container::Directories& directories, const StatusOptions& options,
                    std::ostream& out);

}  // namespace tidewaiter::shim
