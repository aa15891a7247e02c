// escape: the same by the newer calls, mounted nowhere
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE CAP_SYS_ADMIN
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  const int overlay = fsopen("overlay", FSOPEN_CLOEXEC);
  if (overlay < 0 || fsconfig(overlay, FSCONFIG_SET_STRING, "lowerdir", "/srv:/escapes", 0) < 0 ||
      fsconfig(overlay, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    held("overlay: %s", strerror(errno));
  const int mounted = fsmount(overlay, FSMOUNT_CLOEXEC, 0);
  if (mounted < 0) held("fsmount: %s", strerror(errno));
  try_to_read_at(mounted, "half/secret");
  held("%s", strerror(errno));
}
