#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// Tells of what is removed from folders, of many by one inotify(7): of instances a user has 128, and root's
// are not for us alone. It has a thread, and is for as long as the process. Thread-safe.
class FolderWatches {
 public:
  static Result<FolderWatches*> start();
  FolderWatches(const FolderWatches&) = delete;
  FolderWatches& operator=(const FolderWatches&) = delete;

  // Has the eventfd(2) `changed` (borrowed) written to when anything is removed from the folder, or the
  // folder itself, until forget(). Another folder by its name is to be added again.
  Status add(const std::string& folder, int changed);
  void forget(int changed);

 private:
  explicit FolderWatches(UniqueFd inotify) : inotify_(std::move(inotify)) {}
  void run();

  const UniqueFd inotify_;
  std::mutex mutex_;
  std::multimap<int, int> changed_;  // by watch descriptor
};

}  // namespace tidewaiter::supervisor
