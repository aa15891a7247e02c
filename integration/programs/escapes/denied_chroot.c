// escape: makes a folder in front of the denied one its root
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE CAP_SYS_CHROOT
#include "files.h"

static void attack(void) {
  if (chroot("/srv") < 0 || chdir("/") < 0) held("chroot: %s", strerror(errno));
  try_to_read(in("/half", SECRET).text);
  held("%s", strerror(errno));
}
