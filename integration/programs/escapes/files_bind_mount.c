// escape: binds the folder over one that may be read, in a mount namespace of its own
// group: namespaces
// policy: files
// neighbour: files_read --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  if (mount("/srv/shut", "/srv/open", NULL, MS_BIND, NULL) < 0) held("mount: %s", strerror(errno));
  try_to_read("/srv/open/file");
  held("%s", strerror(errno));
}
