#include "oci/runtime/surroundings.h"

#include <sys/resource.h>

#include <sstream>
#include <string_view>
#include <vector>

#include "oci/base/system.h"

namespace tidewaiter::runtime {
namespace {

constexpr std::string_view kMountPoint = "/sys/fs/cgroup";

// A line of /proc/self/mountinfo (proc(5)).
struct Mount {
  std::string point;
  std::string type;
  std::string options;  // of the file system: of cgroup v1, its controllers are among them
};

std::vector<Mount> mounts_in(const std::string& mountinfo) {
  std::vector<Mount> mounts;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    Mount mount;
    std::istringstream before(line.substr(0, separator));
    for (int i = 0; i < 5; ++i) before >> mount.point;
    std::string source;
    std::istringstream behind(line.substr(separator + 3));
    behind >> mount.type >> source >> mount.options;
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::set<std::string, std::less<>> words_of(const std::string& text, char separator) {
  std::set<std::string, std::less<>> words;
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

class OwnFiles : public Files {
 public:
  [[nodiscard]] Result<std::string> read(const std::string& path) const override {
    return sys::read_file(path);
  }
  [[nodiscard]] bool exists(const std::string& path) const override { return sys::stat(path).has_value(); }
};

}  // namespace

void find_cgroups(const Files& files, Surroundings& found) {
  found.cgroups = Cgroups::kNone;
  found.controllers.clear();
  found.counts_swap = true;
  for (const Mount& mount : mounts_in(files.read("/proc/self/mountinfo").value_or(""))) {
    // As crun has it: what counts is what lies at this very place.
    if (mount.type == "cgroup2" && mount.point == kMountPoint) {
      found.cgroups = Cgroups::kV2;
      found.controllers = words_of(files.read(mount.point + "/cgroup.controllers").value_or(""), ' ');
      // The root has no such files, and then nobody says that swap is not counted.
      const std::string own = mount.point + own_cgroup(files);
      found.counts_swap = counts_swap(files, own + "/memory.max", own + "/memory.swap.max");
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

Surroundings look_around(bool initial_root) {
  Surroundings found;
  found.initial_root = initial_root;
  find_cgroups(OwnFiles(), found);
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    found.soft_open_files = limit.rlim_cur;
    found.hard_open_files = limit.rlim_max;
  }
  return found;
}

}  // namespace tidewaiter::runtime
