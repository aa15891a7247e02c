// raise_limit: tries to write another memory limit into its own cgroup, which it mounts in namespaces of its
// own. Needs uid 0, and no capability.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "probe.h"

static int mount_cgroup(void) {
  if (mount("cgroup", "/tmp", "cgroup", 0, "memory") == 0) return 0;
  return mount("cgroup", "/tmp", "cgroup2", 0, NULL);
}

int main(void) {
  if (unshare(CLONE_NEWUSER) < 0) return report("unshare", -1);
  if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0) return report("unshare", -1);
  if (mount_cgroup() < 0) return report("mount", -1);
  // Version 1 refuses a limit of memory above that of memory and swap.
  int fd = open("/tmp/memory.memsw.limit_in_bytes", O_WRONLY);
  if (fd >= 0 && write(fd, "-1", 2) < 0) return report("write", -1);
  fd = open("/tmp/memory.limit_in_bytes", O_WRONLY);
  if (fd < 0) fd = open("/tmp/memory.max", O_WRONLY);
  if (fd < 0) return report("open", -1);
  return report("write", write(fd, "1099511627776", 13));
}
