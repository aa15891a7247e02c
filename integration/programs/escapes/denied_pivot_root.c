// escape: makes the mount its root, and takes away what covers a denied file by its new name
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE CAP_SYS_ADMIN
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  if (syscall(SYS_pivot_root, "/srv", "/srv/open") < 0 || chdir("/") < 0)
    held("pivot_root: %s", strerror(errno));
  umount2("/half/secret", MNT_DETACH);
  try_to_read("/half/secret");
  held("%s", strerror(errno));
}
