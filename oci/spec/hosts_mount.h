#pragma once

#include <string>

#include "oci/base/result.h"
#include "oci/spec/config.h"

// The container's /etc/hosts: where it would have come from, and how another file takes its place.

namespace tidewaiter::spec {

// The file `path`, followed like a path in a container whose root is `root`. An empty `root`: no file.
struct HostsBase {
  std::string root;
  std::string path;
  bool operator==(const HostsBase&) const = default;
};

// Has the runtime bind the file `source` over the container's /etc/hosts, read-only, in the place of what the
// bundle binds there itself, if anything. Returns what the container would have had: the source of that
// mount, or of one at /etc, or what the root file system has. Relative paths are the bundle's (runtime-spec,
// config.md).
Result<HostsBase> bind_over_hosts(Json& config, const std::string& source);

// `base` without relative paths. What cannot be found because `bundle` is empty, not known, is no file.
HostsBase in_bundle(const HostsBase& base, const std::string& bundle);

}  // namespace tidewaiter::spec
