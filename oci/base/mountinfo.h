#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidewaiter {

// A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
struct Mount {
  std::string device;   // "major:minor", of the file system
  std::string root;     // what of the file system is mounted: a path from its root
  std::string point;    // where: a path from the root folder of the process
  std::string type;     // of the file system: "ext4", "fuse.sshfs"
  std::string options;  // of the file system: of cgroup v1, its controllers are among them
};

// Reads the text as show_mountinfo() in fs/proc_namespace.c writes it, in its order: of the mounts at one
// place the last lies above. What is no such line is passed over.
std::vector<Mount> parse_mountinfo(std::string_view text);

}  // namespace tidewaiter
