#include "supervisor/worker/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "oci/base/mountinfo.h"
#include "oci/base/system.h"

namespace tidewaiter::supervisor {
namespace {

// A cpuset cgroup of version 1 takes no task before it has CPUs and memory nodes.
void inherit_cpuset(const Mount& hierarchy, const std::string& cgroup) {
  if (hierarchy.type != "cgroup" || hierarchy.options.find("cpuset") == std::string::npos) return;
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    const auto value = sys::read_file(hierarchy.point + file);
    const auto target = sys::open(cgroup + file, O_WRONLY);
    if (value && target) (void)sys::write_all(target->get(), *value);
  }
}

Status move_to(const Mount& hierarchy, std::span<const pid_t> processes) {
  const std::string cgroup = hierarchy.point + "/tidewaiter";
  if (Status made = sys::mkdir(cgroup, 0755); !made && made.error().code != EEXIST) return made;
  inherit_cpuset(hierarchy, cgroup);
  const auto procs = TRY(sys::open(cgroup + "/cgroup.procs", O_WRONLY));
  for (const pid_t process : processes) TRY(sys::write_all(procs.get(), std::to_string(process)));
  return {};
}

}  // namespace

Status leave_callers_cgroup(const std::string& mountinfo, std::span<const pid_t> processes) {
  Status result;
  for (const Mount& hierarchy : parse_mountinfo(mountinfo)) {
    if (hierarchy.type != "cgroup" && hierarchy.type != "cgroup2") continue;
    Status moved =
        in_context("leave the caller's cgroup in " + hierarchy.point, move_to(hierarchy, processes));
    if (!moved && result) result = std::move(moved);
  }
  return result;
}

}  // namespace tidewaiter::supervisor
