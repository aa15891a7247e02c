// escape: mounts an overlay of the folder where it may read
// group: namespaces
// policy: files
// neighbour: files_read --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  if (mount("overlay", "/tmp", "overlay", 0, "lowerdir=/srv/shut:/srv/half") < 0)
    held("mount: %s", strerror(errno));
  try_to_read("/tmp/file");
  held("%s", strerror(errno));
}
