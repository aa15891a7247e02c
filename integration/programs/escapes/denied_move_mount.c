// escape: moves what covers a denied file elsewhere
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE CAP_SYS_ADMIN
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  make_changed("/tmp/file");
  move_mount(AT_FDCWD, "/srv/half/secret", AT_FDCWD, "/tmp/file", 0);
  try_to_read("/srv/half/secret");
  held("%s", strerror(errno));
}
