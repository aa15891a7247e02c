#pragma once

#include <ostream>
#include <string>

#include "oci/base/result.h"
#include "oci/container/directories.h"

namespace tidewaiter::shim {

struct LogOptions {
  std::string id;  // or the beginning of one
  bool follow = false;
  bool json = false;
};

// What `tidewaiter log` prints: the container's events, the rotated log first. With `follow` also those to
// come, until its agent has gone and all is printed.
Status print_log(const container::Directories& directories, const LogOptions& options, std::ostream& out);

}  // namespace tidewaiter::shim
