// escape: executes a copy on a file system of its own that is mounted nowhere
// group: namespaces
// policy: files
// neighbour: files_exec --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  const int memory = fsopen("tmpfs", FSOPEN_CLOEXEC);
  if (memory < 0 || fsconfig(memory, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    held("tmpfs: %s", strerror(errno));
  const int mounted = fsmount(memory, FSMOUNT_CLOEXEC, 0);
  if (mounted < 0) held("fsmount: %s", strerror(errno));
  const int copy = openat(mounted, "copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
  if (copy < 0) held("openat: %s", strerror(errno));
  copy_into(copy, FORBIDDEN);
  close(copy);
  run_at(mounted, "copy", 0);
  held("%s", strerror(errno));
}
