#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"
#include "oci/spec/config.h"

// What files.deny names in a container that is about to be created: what is there, and what else leads to it.
// Only what can be covered whole is (oci/policy/compile_deny.h); the rest is an error here.

namespace tidewaiter::shim {

// The paths of `rules` that are there and no folders: for policy::Listener::denied_files. `bundle`: the
// folder that relative paths of `config` are in. An error, with the rule's pointer, where
// - a path leads over a symbolic link, which the image could have lead elsewhere: only what it leads to can
// be
//   denied;
// - it lies in a file system of the kernel's own, in which nothing can be made, and which runtimes mount
//   nothing over;
// - the file has other names (hard links), or is seen in another mount of the bundle, that is not denied.
Result<std::set<std::string, std::less<>>> find_denied_files(const std::vector<policy::FileRule>& rules,
                                                             const spec::Json& config,
                                                             const std::string& bundle);

// What the file system at a path is (f_type of statfs(2)).
using FileSystemType = std::function<Result<std::uint64_t>(const std::string& path)>;
Result<std::uint64_t> file_system_type(const std::string& path);

// Whether any file system that the container will see can show what is in a folder at another place, by a
// snapshot: for policy::Listener::snapshots. One that does not say what it is counts as such. `bundle` as
// above.
Result<bool> has_snapshots(const spec::Json& config, const std::string& bundle,
                           const FileSystemType& type = file_system_type);

// Where a file is on its file system, whatever is mounted where (proc_pid_mountinfo(5)).
class HostMounts {
 public:
  struct Place {
    std::string device;  // "major:minor"
    std::string path;    // from the file system's root
  };

  // Those of this process.
  static Result<HostMounts> own();
  explicit HostMounts(std::string_view mountinfo);

  // Of a canonical path. Nothing is asked of the file system.
  [[nodiscard]] Place find(const std::string& path) const;
  // What is mounted below a canonical path, with the path of each from there: "/data".
  struct Below {
    std::string path;
    Place shows;
  };
  [[nodiscard]] std::vector<Below> below(const std::string& path) const;

 private:
  struct Mount {
    std::string point;
    Place shows;
  };
  std::vector<Mount> mounts_;  // in the order they were mounted in
};

}  // namespace tidewaiter::shim
