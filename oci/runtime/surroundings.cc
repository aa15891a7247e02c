#include "oci/runtime/surroundings.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <memory>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/base/mountinfo.h"
#include "oci/base/system.h"

namespace tidewaiter::runtime {
namespace {

constexpr std::string_view kMountPoint = "/sys/fs/cgroup";
constexpr const char* kOnline = "/sys/devices/system/cpu/online";

Words words_of(const std::string& text, char separator) {
  Words words;
  std::istringstream rest(text);
  for (std::string word; std::getline(rest, word, separator);) {
    while (word.ends_with('\n')) word.pop_back();
    if (!word.empty()) words.insert(word);
  }
  return words;
}

// Of version 2, as the reader's cgroup namespace has it; empty when there is none.
std::string own_cgroup(const Files& files) {
  std::istringstream lines(files.read("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::/")) return line.substr(3);
  }
  return "";
}

// Files of swap are missing where the kernel was started with swapaccount=0; where it cannot swap at all
// there is nothing to count.
bool counts_swap(const Files& files, const std::string& limit, const std::string& swap_limit) {
  return !files.exists(limit) || files.exists(swap_limit) || !files.exists("/proc/swaps");
}

// Where systemd puts what it delegates to the user whose cgroup `own` is: the service of that user's own
// systemd. Where there is none somebody else has delegated, and that very cgroup.
std::string delegated_cgroup(const std::string& own) {
  constexpr std::string_view kSlice = "/user-";
  constexpr std::string_view kService = "/user@";
  constexpr std::string_view kEnd = ".service";
  if (const std::size_t service = own.find(kService); service != std::string::npos) {
    const std::size_t end = own.find(kEnd, service);
    if (end != std::string::npos) return own.substr(0, end + kEnd.size());
  }
  const std::size_t slice = own.find(kSlice);
  const std::size_t end = slice == std::string::npos ? slice : own.find(".slice", slice);
  if (end == std::string::npos) return own;
  const std::string user = own.substr(slice + kSlice.size(), end - slice - kSlice.size());
  return own.substr(0, end) + ".slice" + std::string(kService) + user + std::string(kEnd);
}

// Of version 2. The root's are those of the machine.
void find_controllers(const Files& files, const std::string& own, Surroundings& found) {
  const auto of = [&files](const std::string& cgroup) {
    return words_of(files.read(std::string(kMountPoint) + cgroup + "/cgroup.controllers").value_or(""), ' ');
  };
  found.controllers = of("");
  if (found.initial_root) return;
  Words all = std::move(found.controllers);
  found.controllers = of(delegated_cgroup(own));
  std::set_difference(all.begin(), all.end(), found.controllers.begin(), found.controllers.end(),
                      std::inserter(found.withheld, found.withheld.end()));
}

// The folder of a slice, below that of the systemd that makes it: "/a.slice/a-b.slice" (systemd.slice(5)).
std::string folder_of_slice(const std::string& slice) {
  constexpr std::string_view kEnd = ".slice";
  if (slice == "-.slice" || !slice.ends_with(kEnd)) return "";
  std::string folder;
  for (std::size_t dash = slice.find('-'); dash != std::string::npos; dash = slice.find('-', dash + 1))
    folder += "/" + slice.substr(0, dash) + std::string(kEnd);
  return folder + "/" + slice;
}

// Of version 2, the cgroup above the one that the bundle names so: by its path, or as SLICE:PREFIX:NAME. A
// slice that is not named is the one that crun and runc take by themselves. What a relative path is relative
// to is up to the runtime.
std::string cgroup_above(const Files& files, const std::string& cgroup, bool initial_root) {
  if (cgroup.starts_with('/')) return std::filesystem::path(cgroup).lexically_normal().parent_path();
  const std::size_t colon = cgroup.find(':');
  if (colon == std::string::npos) return "";
  std::string slice = cgroup.substr(0, colon);
  if (slice.empty()) slice = initial_root ? "system.slice" : "user.slice";
  return (initial_root ? "" : delegated_cgroup(own_cgroup(files))) + folder_of_slice(slice);
}

// As far as they are there: a runtime makes the rest, which has what is above.
void find_left_processors(const Files& files, const std::string& cgroup, Surroundings& found) {
  std::string folder = cgroup_above(files, cgroup, found.initial_root);
  while (true) {
    if (folder == "/") folder.clear();
    const std::string file = std::string(kMountPoint) + folder + "/cpuset.cpus.effective";
    if (auto text = files.read(file); text && text->find_first_not_of(" \n") != std::string::npos) {
      found.online = *std::move(text);
      found.online_file = file;
      return;
    }
    if (folder.empty()) return;
    folder.resize(folder.rfind('/'));
  }
}

class OwnFiles : public Files {
 public:
  [[nodiscard]] Result<std::string> read(const std::string& path) const override {
    return sys::read_file(path);
  }
  [[nodiscard]] bool exists(const std::string& path) const override { return sys::stat(path).has_value(); }

  [[nodiscard]] Result<Place> look(const std::string& path) const override {
    const UniqueFd place = TRY(sys::openat2(AT_FDCWD, path, O_PATH, RESOLVE_NO_MAGICLINKS));
    struct statfs file_system {};
    if (::fstatfs(place.get(), &file_system) != 0) return fail(errno, path);
    const auto type = static_cast<std::uint64_t>(file_system.f_type);
    return Place{TRY(sys::readlink("/proc/self/fd/" + std::to_string(place.get()))),
                 type == CGROUP_SUPER_MAGIC || type == CGROUP2_SUPER_MAGIC};
  }
};

// Of /proc/self/uid_map or gid_map: the first number of each line is in the namespace.
std::vector<IdRange> id_ranges(const Files& files, const std::string& path) {
  std::vector<IdRange> ranges;
  std::istringstream lines(files.read(path).value_or(""));
  for (std::string line; std::getline(lines, line);) {
    IdRange range;
    std::uint64_t outside = 0;
    if (std::istringstream(line) >> range.first >> outside >> range.count) ranges.push_back(range);
  }
  return ranges;
}

// Those that this process may run on, however many the kernel was built for.
std::set<unsigned> own_processors() {
  constexpr std::size_t kMost = 1U << 20U;
  std::set<unsigned> processors;
  for (std::size_t count = CPU_SETSIZE; count <= kMost; count *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(count),
                                                               [](cpu_set_t* one) { CPU_FREE(one); });
    const std::size_t size = CPU_ALLOC_SIZE(count);
    if (set == nullptr) break;
    if (::sched_getaffinity(0, size, set.get()) != 0) {
      if (errno == EINVAL) continue;  // the kernel's are more
      break;
    }
    for (unsigned number = 0; number < count; ++number) {
      if (CPU_ISSET_S(number, size, set.get())) processors.insert(number);
    }
    break;
  }
  return processors;
}

// Where `path` will be, of which at least the last part is not there. REQUIRES: it is absolute.
std::string place_of_missing(const Files& files, const std::filesystem::path& path) {
  std::filesystem::path missing = path.filename();
  std::filesystem::path folder = path.parent_path();
  while (folder.has_relative_path()) {
    if (const auto place = files.look(folder))
      return (std::filesystem::path(place->path) / missing).lexically_normal();
    missing = folder.filename() / missing;
    folder = folder.parent_path();
  }
  return path.lexically_normal();
}

// Adds what lies at `path` to what is known of a source.
void look(const Files& files, const std::string& path, const Surroundings& found, Source& source) {
  const auto place = files.look(path);
  if (!place) {
    const int code = place.error().code;
    if (code == ENOENT || code == ENOTDIR) {
      source.missing = true;
      source.paths.push_back(place_of_missing(files, path));
    } else if (code == ELOOP) {
      source.unseen = "it leads through a link that means another file to each process, or in a circle";
    } else {
      source.unseen = Error{code, ""}.message();
    }
    return;
  }
  // What is outside the root folder of this process has a name that tells nothing.
  if (!place->path.starts_with('/')) {
    source.unseen = "it lies outside the root folder";
    return;
  }
  source.paths.push_back(place->path);
  source.cgroup = source.cgroup || place->cgroup;
  const std::string inside = place->path == "/" ? "/" : place->path + "/";
  source.holds_cgroups =
      source.holds_cgroups ||
      std::any_of(found.cgroup_mounts.begin(), found.cgroup_mounts.end(),
                  [&inside](const std::string& point) { return point.starts_with(inside); });
}

}  // namespace

Surroundings Surroundings::of_a_full_machine() {
  Surroundings full;
  full.cgroups = Cgroups::kV2;
  full.controllers = {"cpu", "cpuset", "memory", "pids"};
  full.counts_swap = true;
  full.soft_open_files = ~std::uint64_t{0};
  full.hard_open_files = ~std::uint64_t{0};
  full.uids = {{0, std::numeric_limits<std::uint32_t>::max()}};
  full.gids = full.uids;
  for (unsigned number = 0; number < 8; ++number) full.processors.insert(number);
  full.online = "0-7";
  full.online_file = kOnline;
  return full;
}

const Files& own_files() {
  static const OwnFiles files;
  return files;
}

void find_cgroups(const Files& files, Surroundings& found) {
  found.cgroups = Cgroups::kNone;
  found.controllers.clear();
  found.withheld.clear();
  found.cgroup_mounts.clear();
  found.counts_swap = true;
  for (const Mount& mount : parse_mountinfo(files.read("/proc/self/mountinfo").value_or(""))) {
    if (mount.type == "cgroup" || mount.type == "cgroup2") found.cgroup_mounts.push_back(mount.point);
    // As crun has it: what counts is what lies at this very place.
    if (mount.type == "cgroup2" && mount.point == kMountPoint) {
      found.cgroups = Cgroups::kV2;
      const std::string own = own_cgroup(files);
      find_controllers(files, own, found);
      // The root has no such files, and then nobody says that swap is not counted.
      const std::string folder = mount.point + own;
      found.counts_swap = counts_swap(files, folder + "/memory.max", folder + "/memory.swap.max");
    } else if (mount.type == "cgroup" && mount.point.starts_with(std::string(kMountPoint) + "/")) {
      if (found.cgroups == Cgroups::kNone) found.cgroups = Cgroups::kV1;
      if (found.cgroups != Cgroups::kV1) continue;
      const auto options = words_of(mount.options, ',');
      found.controllers.insert(options.begin(), options.end());
      if (!options.contains("memory")) continue;
      found.counts_swap = counts_swap(files, mount.point + "/memory.limit_in_bytes",
                                      mount.point + "/memory.memsw.limit_in_bytes");
    }
  }
}

void look_at_sources(const Files& files, const std::string& folder, const std::vector<std::string>& sources,
                     Surroundings& found) {
  for (const std::string& text : sources) {
    Source& source = found.sources[text];
    const std::filesystem::path written = text;
    if (written.is_relative() && folder.empty()) {
      source.unseen = "it is relative to the bundle's folder, which is not known here";
      continue;
    }
    const std::filesystem::path path = std::filesystem::path(folder) / written;
    look(files, path, found, source);
    // runc takes away "." and ".." before it looks, crun does not.
    if (const auto cleaned = path.lexically_normal(); cleaned != path) {
      const bool missing = source.missing;
      source.missing = false;
      look(files, cleaned, found, source);
      source.missing = source.missing && missing;
    }
  }
}

void look_at_processors(const Files& files, const std::string& cgroup, Surroundings& found) {
  found.online_file = kOnline;
  found.online = files.read(kOnline).value_or("");
  if (found.cgroups == Cgroups::kV2) find_left_processors(files, cgroup, found);
  found.cpuinfo = files.read("/proc/cpuinfo").value_or("");
}

bool runs_in_real_time() {
  // With SCHED_RESET_ON_FORK it is none of these.
  const int scheduler = ::sched_getscheduler(0);
  return scheduler == SCHED_FIFO || scheduler == SCHED_RR || scheduler == SCHED_DEADLINE;
}

Surroundings look_around(bool initial_root) {
  Surroundings found;
  found.initial_root = initial_root;
  find_cgroups(own_files(), found);
  found.real_time = runs_in_real_time();
  found.uids = id_ranges(own_files(), "/proc/self/uid_map");
  found.gids = id_ranges(own_files(), "/proc/self/gid_map");
  found.processors = own_processors();
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    found.soft_open_files = limit.rlim_cur;
    found.hard_open_files = limit.rlim_max;
  }
  return found;
}

}  // namespace tidewaiter::runtime
