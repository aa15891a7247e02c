#include "supervisor/worker/cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::supervisor {
namespace {

using testing::TemporaryFolder;

const std::array<pid_t, 1> kSelf{::getpid()};

void write_file(const std::string& path, const std::string& text) {
  const auto file = sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ASSERT_TRUE(file) << file.error().message();
  ASSERT_TRUE(sys::write_all(file->get(), text));
}

// A folder that looks like a hierarchy's mount point, with the files the kernel would have made.
void make_hierarchy(const std::string& mount_point, bool cpuset = false) {
  ASSERT_TRUE(sys::make_directories(mount_point + "/tidewaiter", 0700));
  write_file(mount_point + "/tidewaiter/cgroup.procs", "");
  if (!cpuset) return;
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    write_file(mount_point + "/" + file, std::string("of ") + file);
    write_file(mount_point + "/tidewaiter/" + file, "");
  }
}

std::string mountinfo_line(const std::string& mount_point, const std::string& rest) {
  return "30 24 0:26 / " + mount_point + " rw,nosuid shared:9 - " + rest + "\n";
}

std::string text_of(const std::string& path) { return sys::read_file(path).value_or("missing"); }

TEST(LeaveCallersCgroup, MovesThisProcessInEveryHierarchy) {
  const TemporaryFolder folder;
  for (const char* name : {"v2", "memory"}) make_hierarchy(folder / name);
  make_hierarchy(folder / "cpuset", true);
  make_hierarchy(folder / "tmpfs");
  make_hierarchy(folder / "a blank");
  const std::string mountinfo = mountinfo_line(folder / "v2", "cgroup2 cgroup2 rw") +
                                mountinfo_line(folder / "memory", "cgroup cgroup rw,memory") +
                                mountinfo_line(folder / "cpuset", "cgroup cgroup rw,cpuset") +
                                mountinfo_line(folder / "tmpfs", "tmpfs tmpfs rw") +
                                mountinfo_line(folder / "a\\040blank", "cgroup cgroup rw,pids") +
                                "a line of another kind\n";
  const Status left = leave_callers_cgroup(mountinfo, kSelf);
  EXPECT_TRUE(left) << left.error().message();
  for (const char* name : {"v2", "memory", "cpuset", "a blank"}) {
    EXPECT_EQ(text_of(folder / name + "/tidewaiter/cgroup.procs"), std::to_string(::getpid())) << name;
  }
  EXPECT_EQ(text_of(folder / "tmpfs/tidewaiter/cgroup.procs"), "");
  // Version 1 takes no task before it has these.
  EXPECT_EQ(text_of(folder / "cpuset/tidewaiter/cpuset.cpus"), "of cpuset.cpus");
  EXPECT_EQ(text_of(folder / "cpuset/tidewaiter/cpuset.mems"), "of cpuset.mems");
}

TEST(LeaveCallersCgroup, GoesOnWhereOneHierarchyIsClosedToIt) {
  const TemporaryFolder folder;
  make_hierarchy(folder / "open");
  const Status left = leave_callers_cgroup(mountinfo_line(folder / "missing", "cgroup2 cgroup2 rw") +
                                               mountinfo_line(folder / "open", "cgroup cgroup rw,memory"),
                                           kSelf);
  ASSERT_FALSE(left);
  EXPECT_EQ(left.error().code, ENOENT);
  EXPECT_NE(left.error().message().find(folder / "missing"), std::string::npos) << left.error().message();
  EXPECT_EQ(text_of(folder / "open/tidewaiter/cgroup.procs"), std::to_string(::getpid()));
}

TEST(LeaveCallersCgroup, HasNothingToLeaveWithoutCgroups) {
  EXPECT_TRUE(leave_callers_cgroup(mountinfo_line("/", "ext4 /dev/root rw"), kSelf));
}

}  // namespace
}  // namespace tidewaiter::supervisor
