// escape: the same by the newer calls, open_tree and move_mount
// group: namespaces
// policy: files
// neighbour: files_read --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  const int tree = open_tree(AT_FDCWD, "/srv/shut", OPEN_TREE_CLONE);
  if (tree < 0 || move_mount(tree, "", AT_FDCWD, "/srv/open", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    held("move_mount: %s", strerror(errno));
  try_to_read("/srv/open/file");
  held("%s", strerror(errno));
}
