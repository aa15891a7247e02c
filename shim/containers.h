#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/container/directories.h"
#include "oci/container/record.h"

// The containers that our folders speak of.

namespace tidewaiter::shim {

struct SupervisedContainer {
  std::string name;  // of its state folder, which is the id, or for a long id begins with it
  std::string folder;
  container::Record record;
  std::optional<Error> unreadable;  // why there is nothing in `record`: broken, or of another version
  pid_t agent_pid = 0;              // 0: not known
  bool agent_alive = false;
  std::string since;  // when its state folder was made, RFC 3339
};

// Those with a state folder, by name. A missing folder means none; one that vanishes meanwhile is left out.
Result<std::vector<SupervisedContainer>> supervised_containers(const container::Directories& directories);

// The one of `names` that `id` means: the name of its state folder, or the only one that it is the beginning
// of. The error lists what would be valid.
Result<std::string> match_container(const std::set<std::string>& names, const std::string& id,
                                    const container::Directories& directories);

}  // namespace tidewaiter::shim
