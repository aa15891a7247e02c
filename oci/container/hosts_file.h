#pragma once

#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/spec/hosts_mount.h"

namespace tidewaiter::container {

// The file that the bundle binds over the container's /etc/hosts: the names that the policy pins; what the
// container would have had there, its base; and behind it the names that the policy allows, so that they
// resolve without DNS. Of the pinned names nothing but the policy says what they stand for: programs take all
// lines of a name together (getaddrinfo(3)), so the others lose it. It is written in place, for the container
// holds the file and not its name, and under a lock, for the agent writes it whenever an address or the base
// changes, and the shim before the container starts.
class HostsFile {
 public:
  // Makes the file at `path`, readable for everyone, or takes up the one that is there. `pinned`: lines as
  // hosts(5) has them, with one name each.
  static Result<HostsFile> open(const std::string& path, spec::HostsBase base, std::string pinned = {});

  // Writes what the base holds now, and the names: lines as hosts(5) has them.
  Status write(std::string_view names);
  // Writes what the base holds now, and the names as the file has them; where the base cannot be read,
  // nothing.
  Status follow_base();

  // Becomes readable when the base has been written anew, as podman does when it connects a network.
  // -1: there is no base. Watches from the first write() on.
  [[nodiscard]] int base_changes() const { return changes_.get(); }
  // Reads what made base_changes() readable.
  void take_base_changes() const;

 private:
  HostsFile(UniqueFd file, UniqueFd lock, spec::HostsBase base, std::string pinned)
      : file_(std::move(file)), lock_(std::move(lock)), base_(std::move(base)), pinned_(std::move(pinned)) {}
  // REQUIRES: the file is locked. `text`: the base. `names`: whole lines, from kHead on.
  Status replace(std::string text, std::string_view names);
  Result<std::string> read_base();
  Status watch(int base);

  UniqueFd file_;
  // A file beside it: the container has the other, and with it the right to a flock(2) for as long as it
  // likes.
  UniqueFd lock_;
  spec::HostsBase base_;
  std::string pinned_;
  UniqueFd changes_;  // inotify
};

}  // namespace tidewaiter::container
