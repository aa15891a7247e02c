#pragma once

#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "supervisor/target/file_calls.h"
#include "supervisor/target/target.h"

namespace tidewaiter::supervisor {

// A file as a target's path leads to it.
struct FoundFile {
  UniqueFd fd;  // O_PATH; as long as it is open no other file gets this inode
  FileStatus status;
  // Canonical, from the root of the container's mount namespace: whoever lives in a chroot(2) cannot give its
  // files the names of others. " (deleted)" is behind it when the file has no name any more; what
  // memfd_create(2) made is "/memfd:NAME (deleted)".
  std::string path;
};

// Looks a path up as the kernel does for the target (path_resolution(7)): from the target's root and working
// directory, symbolic links followed, /proc/self the target's own. Errors are those the call itself would
// give; the permissions on the way are left for the call to find.
class Lookup {
 public:
  Lookup(FileCalls& files, Target& target) : files_(files), target_(target) {}

  // `directory`: a descriptor number of the target, or AT_FDCWD, from where a relative path starts.
  Result<FoundFile> find(int directory, const std::string& path, bool follow_last = true);
  // The file that the target's descriptor stands for (AT_EMPTY_PATH).
  Result<FoundFile> find_descriptor(int number);

 private:
  Result<UniqueFd> start(int directory, const std::string& path);
  Result<UniqueFd> root();
  Result<UniqueFd> parent(UniqueFd directory);
  // Where a symbolic link leads: to a path to go on with, or, by a link of procfs without text, to `place`.
  struct Followed {
    UniqueFd place;
    std::string text;
  };
  Result<Followed> follow(int directory, const std::string& name, int link);
  Result<FoundFile> found(UniqueFd fd);

  FileCalls& files_;
  Target& target_;
};

}  // namespace tidewaiter::supervisor
