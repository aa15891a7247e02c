#include "supervisor/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <string>
#include <vector>

#include "oci/base/system.h"

namespace tidewaiter::supervisor {
namespace {

struct Hierarchy {
  std::string mount_point;
  std::string controllers;  // super options of a v1 hierarchy; empty for v2
};

// The cgroup mounts of /proc/self/mountinfo (proc(5)): "… MOUNT-POINT OPTIONS … - TYPE SOURCE SUPER-OPTIONS".
std::vector<Hierarchy> hierarchies(const std::string& mountinfo) {
  std::vector<Hierarchy> found;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    std::istringstream front(line.substr(0, separator));
    std::istringstream back(line.substr(separator + 3));
    std::string field;
    std::string mount_point;
    for (int i = 0; i < 5 && front >> field; ++i) mount_point = field;
    std::string type;
    std::string source;
    std::string options;
    back >> type >> source >> options;
    if (type == "cgroup2") found.push_back({mount_point, ""});
    if (type == "cgroup") found.push_back({mount_point, options});
  }
  return found;
}

// A cpuset cgroup of version 1 takes no task before it has CPUs and memory nodes.
void inherit_cpuset(const Hierarchy& hierarchy, const std::string& cgroup) {
  if (hierarchy.controllers.find("cpuset") == std::string::npos) return;
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    const auto value = sys::read_file(hierarchy.mount_point + file);
    const auto target = sys::open(cgroup + file, O_WRONLY);
    if (value && target) (void)sys::write_all(target->get(), *value);
  }
}

Status move_to(const Hierarchy& hierarchy, std::span<const pid_t> processes) {
  const std::string cgroup = hierarchy.mount_point + "/tidewaiter";
  if (Status made = sys::mkdir(cgroup, 0755); !made && made.error().code != EEXIST) return made;
  inherit_cpuset(hierarchy, cgroup);
  const auto procs = TRY(sys::open(cgroup + "/cgroup.procs", O_WRONLY));
  for (const pid_t process : processes) TRY(sys::write_all(procs.get(), std::to_string(process)));
  return {};
}

}  // namespace

Status leave_callers_cgroup(const std::string& mountinfo, std::span<const pid_t> processes) {
  Status result;
  for (const Hierarchy& hierarchy : hierarchies(mountinfo)) {
    Status moved =
        in_context("leave the caller's cgroup in " + hierarchy.mount_point, move_to(hierarchy, processes));
    if (!moved && result) result = std::move(moved);
  }
  return result;
}

}  // namespace tidewaiter::supervisor
