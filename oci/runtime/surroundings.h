#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "oci/base/result.h"

// What a runtime that is started here and now finds beside the bundle, as far as limits depend on it.

namespace tidewaiter::runtime {

enum class Cgroups {
  kNone,  // mounted nowhere below /sys/fs/cgroup
  kV1,    // also where version 2 is mounted beside it ("hybrid"): runtimes use version 1 there
  kV2,
};

// As root has it on a machine that has everything, unless something else is found.
struct Surroundings {
  bool initial_root = true;      // root of the initial user namespace
  bool makes_no_cgroup = false;  // the runtime is told to make none
  Cgroups cgroups = Cgroups::kV2;
  std::set<std::string, std::less<>> controllers = {"cpu", "memory", "pids"};
  bool counts_swap = true;  // no cgroup's processes swap beyond its limit
  // RLIMIT_NOFILE as a process inherits it whose bundle sets none.
  std::uint64_t soft_open_files = ~std::uint64_t{0};
  std::uint64_t hard_open_files = ~std::uint64_t{0};
};

// The files that tell; tests answer in their place.
class Files {
 public:
  virtual ~Files() = default;
  [[nodiscard]] virtual Result<std::string> read(const std::string& path) const = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) const = 0;
};

// Looks at the cgroups. What cannot be read is not there.
void find_cgroups(const Files& files, Surroundings& found);

// Those of this process. `initial_root`: whether it is root of the initial user namespace.
Surroundings look_around(bool initial_root);

}  // namespace tidewaiter::runtime
