// escape: reads in an overlay of the folder that is mounted nowhere, for which no call of mount is needed
// group: namespaces
// policy: files
// neighbour: files_read --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  const int overlay = fsopen("overlay", FSOPEN_CLOEXEC);
  if (overlay < 0 || fsconfig(overlay, FSCONFIG_SET_STRING, "lowerdir", "/srv/shut:/srv/half", 0) < 0 ||
      fsconfig(overlay, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    held("overlay: %s", strerror(errno));
  const int mounted = fsmount(overlay, FSMOUNT_CLOEXEC, 0);
  if (mounted < 0) held("fsmount: %s", strerror(errno));
  try_to_read_at(mounted, "file");
  held("%s", strerror(errno));
}
