// escape: makes a mount that no list names its root, by which paths mean something else
// group: namespaces
// policy: files
// neighbour: files_read --neighbour
// capabilities: CAP_SYS_ADMIN
#include "files.h"

static void attack(void) {
  if (syscall(SYS_pivot_root, "/srv", "/srv/open") < 0 || chdir("/") < 0)
    held("pivot_root: %s", strerror(errno));
  try_to_read("/shut/file");
  held("%s", strerror(errno));
}
