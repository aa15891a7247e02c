// escape: binds the folder in front elsewhere, without what is mounted in it
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE CAP_SYS_ADMIN
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  if (mount("/srv", "/tmp", NULL, MS_BIND, NULL) < 0) held("mount: %s", strerror(errno));
  try_to_read("/tmp/half/secret");
  held("%s", strerror(errno));
}
