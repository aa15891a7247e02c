// escape: mounts an overlay of the folder in front, which has nothing of what is mounted in it
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE CAP_SYS_ADMIN
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  if (mount("overlay", "/tmp", "overlay", 0, "lowerdir=/srv:/escapes") < 0)
    held("mount: %s", strerror(errno));
  try_to_read("/tmp/half/secret");
  held("%s", strerror(errno));
}
