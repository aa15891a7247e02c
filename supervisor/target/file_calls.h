#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// Which file a descriptor stands for.
struct FileStatus {
  dev_t device = 0;  // as stat(2) has it
  ino_t inode = 0;
  std::uint64_t mount = 0;  // id of the mount it was reached through (STATX_MNT_ID); 0: unknown
  mode_t mode = 0;

  [[nodiscard]] bool same_file(const FileStatus& other) const {
    return device == other.device && inode == other.inode;
  }
};

// The part of the seam (kernel.h) that looks up files. Descriptors are O_PATH: nothing is opened by a
// look, and no permission of the file's own is asked.
class FileCalls {
 public:
  virtual ~FileCalls() = default;

  // What /proc/TID/NAME leads to: "root", "cwd", "exe".
  virtual Result<UniqueFd> open_proc_link(pid_t tid, const char* name) = 0;
  // One component of a path. A symbolic link is opened itself, unless `follow`.
  virtual Result<UniqueFd> open_component(int directory, const std::string& name, bool follow) = 0;
  // Whether the component is a link of procfs that is followed by no text (path_resolution(7),
  // RESOLVE_NO_MAGICLINKS in openat2(2)).
  virtual Result<bool> is_magic_link(int directory, const std::string& name) = 0;
  virtual Result<std::string> read_link(int link) = 0;
  virtual Result<FileStatus> status(int fd) = 0;
  virtual Result<bool> on_procfs(int fd) = 0;
  // Its path from the root of its mount namespace, " (deleted)" behind it when it has none any more
  // (proc_pid_fd(5)).
  virtual Result<std::string> path(int fd) = 0;
  // The first bytes of a regular file that somebody may execute, at most `size`. Fewer: it is not longer.
  // EACCES: any other file, or one on a file system mounted noexec.
  virtual Result<std::string> first_bytes(int fd, std::size_t size) = 0;
};

FileCalls& system_file_calls();

}  // namespace tidewaiter::supervisor
