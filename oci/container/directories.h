#pragma once

#include <string>

#include "oci/base/result.h"

namespace tidewaiter::container {

// Where things live. The initial root user has /etc/tidewaiter, /run/tidewaiter, /var/log/tidewaiter.
// Everyone else, root of a rootless user namespace included, has $XDG_CONFIG_HOME (or ~/.config)/tidewaiter,
// $XDG_RUNTIME_DIR/tidewaiter, $XDG_STATE_HOME (or ~/.local/state)/tidewaiter, and for changes, which root
// has in /var/lib/tidewaiter/changes, $XDG_DATA_HOME (or ~/.local/share)/tidewaiter/changes, where ~ is
// $HOME, or else the home folder in /etc/passwd.
struct Directories {
  std::string config_file;    // $TIDEWAITER_CONFIG when set
  std::string state;          // parent of each container's state folder, mode 0700
  std::string log;            // event logs
  bool config_named = false;  // by somebody, who will not have meant the defaults should the file be missing
  std::string changes = {};   // what containers wrote to folders that are copied on write; empty: not known

  // From the environment. An error when a needed variable is relative, or missing and not to be replaced,
  // saying which.
  static Result<Directories> locate();
};

// Whether this process is root of the initial user namespace (/proc/self/uid_map maps all ids).
bool is_initial_root();

// The state folder's name for a container id: the id itself where it fits a Unix socket path, else a
// shortened form with a hash of the whole. Refuses ids with '/', NUL, a leading '.' and empty ones.
Result<std::string> state_folder_name(const std::string& id, const std::string& state_directory);

}  // namespace tidewaiter::container
