#pragma once

#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// Tells when a policy file may have changed, in the folder that lies at a path: it need not be there yet, and
// another may take its place. By inotify(7).
class PolicyFolder {
 public:
  // An error: changes are not told. REQUIRES: an absolute path, whose parent is there.
  static Result<PolicyFolder> watch(std::string path);

  // Borrowed; readable when something may have changed, until look() is called.
  [[nodiscard]] int changed_fd() const { return inotify_.get(); }
  // Before the files are read: what changes from here on is told again. An error: it may not be.
  Status look();

 private:
  PolicyFolder(std::string path, UniqueFd inotify) : path_(std::move(path)), inotify_(std::move(inotify)) {}
  Status add(const std::string& folder, unsigned changes) const;

  std::string path_;
  UniqueFd inotify_;
};

}  // namespace tidewaiter::supervisor
