// escape: makes the folder its root
// group: namespaces
// policy: files
// capabilities: CAP_SYS_CHROOT
#include "files.h"

static void attack(void) {
  if (chroot(SHUT) < 0 || chdir("/") < 0) held("chroot: %s", strerror(errno));
  try_to_read("/file");
  held("%s", strerror(errno));
}
