// escape: takes away what covers a denied file
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE CAP_SYS_ADMIN
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  umount2("/srv/half/secret", MNT_DETACH);
  try_to_read("/srv/half/secret");
  held("%s", strerror(errno));
}
