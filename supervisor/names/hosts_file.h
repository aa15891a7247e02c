#pragma once

#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/policy/decide.h"

namespace tidewaiter::supervisor {

// The file that the bundle binds over the container's /etc/hosts: what the container would have had there,
// and behind it the names that the policy allows, so that they resolve without DNS. It is written in place,
// for the container holds the file and not its name.
class HostsFile {
 public:
  // What the container would have had: the file `path`, followed like a path in a container whose root is
  // `root`. No such file, or an empty `root`: nothing.
  struct Base {
    std::string root;
    std::string path;
  };

  // Makes the file at `path`, readable for everyone, or takes up the one that is there.
  static Result<HostsFile> open(const std::string& path, Base base);

  // Writes what the base holds now, and the names' addresses.
  Status write(const policy::ResolvedHosts& names);

  // Becomes readable when the base has been written anew, as podman does when it connects a network.
  // -1: there is no base. Watches from the first write() on.
  [[nodiscard]] int base_changes() const { return changes_.get(); }
  // Reads what made base_changes() readable.
  void take_base_changes() const;

 private:
  HostsFile(UniqueFd file, Base base) : file_(std::move(file)), base_(std::move(base)) {}
  Result<std::string> read_base();
  Status watch(int base);

  UniqueFd file_;
  Base base_;
  UniqueFd changes_;  // inotify
};

}  // namespace tidewaiter::supervisor
