#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "oci/base/result.h"
#include "shim/copies/layer.h"

namespace tidewaiter::shim {

enum class Change { kAdded, kModified, kDeleted };

struct ListedChange {
  Change change = Change::kAdded;
  std::string path;  // from the folder: "/sub/file"
  std::string kind;  // kind_of(), of what is there now, or was
};

struct ChangeCounts {
  std::uint64_t added = 0;
  std::uint64_t modified = 0;
  std::uint64_t deleted = 0;

  [[nodiscard]] bool none() const { return added == 0 && modified == 0 && deleted == 0; }
  void count(Change change);
};

// What an upper layer makes of the folder below it, in the order of the paths. Of a folder that is deleted it
// is said of the folder alone; of one that is added, of everything in it. A file that was opened for writing
// and then had the same in it, with the same times, owner, mode and attributes, has not changed; whether it
// has, its bytes tell. A folder whose entries alone have changed has not. While the container runs the list
// is of no one moment.
Status list_changes(const Layer& layer, int upper, int lower,
                    const std::function<void(const ListedChange&)>& tell);

// "added", "modified", "deleted".
std::string in_words(Change change);

}  // namespace tidewaiter::shim
