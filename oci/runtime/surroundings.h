#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "oci/base/result.h"

// What a runtime that is started here and now finds beside the bundle, as far as limits and the identity
// depend on it.

namespace tidewaiter::runtime {

enum class Cgroups {
  kNone,  // mounted nowhere below /sys/fs/cgroup
  kV1,    // also where version 2 is mounted beside it ("hybrid"): runtimes use version 1 there
  kV2,
};

using Words = std::set<std::string, std::less<>>;

// What is found where the runtime binds something into the container from.
struct Source {
  bool missing = false;        // nothing as yet
  std::string unseen;          // why it could not be looked at; empty: it was
  bool cgroup = false;         // a cgroup file system, a folder or a file of one
  bool holds_cgroups = false;  // one is mounted below it
  // Where it is, canonical as far as it is there; two, where runtimes read ".." in different ways.
  std::vector<std::string> paths = {};
};

// User or group ids that a user namespace has (user_namespaces(7)): the first, and how many.
struct IdRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  bool operator==(const IdRange&) const = default;
};

// By itself, that nothing is there: whoever does not look holds no limit.
struct Surroundings {
  bool initial_root = true;      // root of the initial user namespace
  bool makes_no_cgroup = false;  // the runtime is told to make none
  Cgroups cgroups = Cgroups::kNone;
  Words controllers;         // that a container's cgroup can have
  Words withheld;            // which the machine has, and does not delegate to this user
  bool counts_swap = false;  // no cgroup's processes swap beyond its limit
  // RLIMIT_NOFILE as a process inherits it whose bundle sets none.
  std::uint64_t soft_open_files = 0;
  std::uint64_t hard_open_files = 0;
  bool real_time = false;  // who starts the runtime has a real-time scheduling class, which is inherited
  std::vector<std::string> cgroup_mounts;              // where cgroup file systems are mounted, anywhere
  std::map<std::string, Source, std::less<>> sources;  // of those that were looked at; as the bundle has them
  std::vector<IdRange> uids;                           // of this process's user namespace
  std::vector<IdRange> gids;
  std::set<unsigned> processors;  // that this process may run on (sched_getaffinity(2))
  std::string online;             // that the container can have (cpuset(7), "List format")
  std::string online_file;        // which says so
  std::string cpuinfo;            // what /proc/cpuinfo says of them

  // As root has them on a machine that has everything: for what depends on no machine, and for tests.
  static Surroundings of_a_full_machine();
};

// What a path leads to.
struct Place {
  std::string path;     // canonical
  bool cgroup = false;  // on a cgroup file system
};

// The files that tell; tests answer in their place.
class Files {
 public:
  virtual ~Files() = default;
  [[nodiscard]] virtual Result<std::string> read(const std::string& path) const = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) const = 0;
  // Follows symbolic links, and none of those in /proc that lead elsewhere for each process (/proc/PID/root):
  // that is ELOOP. ENOENT where nothing is.
  [[nodiscard]] virtual Result<Place> look(const std::string& path) const = 0;
};

// Those of this process.
const Files& own_files();

// Looks at the cgroups. What cannot be read is not there. Depends on found.initial_root.
void find_cgroups(const Files& files, Surroundings& found);

// Looks at `sources`, of a bundle in `folder`; empty: that is not known, so relative ones cannot be looked
// at. REQUIRES: find_cgroups().
void look_at_sources(const Files& files, const std::string& folder, const std::vector<std::string>& sources,
                     Surroundings& found);

// Reads `online` and `cpuinfo`: what the machine has, or, under cgroup version 2, what is left where the
// runtime makes the container's cgroup, for one that asks for others only has those. `cgroup`: how the bundle
// names it (/linux/cgroupsPath). Apart from the rest, for it takes the kernel a while to tell, and few want
// to know. REQUIRES: find_cgroups().
void look_at_processors(const Files& files, const std::string& cgroup, Surroundings& found);

// Whether this process has a real-time scheduling class that its children inherit.
bool runs_in_real_time();

// Those of this process. `initial_root`: whether it is root of the initial user namespace.
Surroundings look_around(bool initial_root);

}  // namespace tidewaiter::runtime
