// escape: the same by the newer calls, open_tree and move_mount
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "escape.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  const int tree = open_tree(AT_FDCWD, forbidden(), OPEN_TREE_CLONE);
  if (tree < 0 || move_mount(tree, "", AT_FDCWD, GOOD, MOVE_MOUNT_F_EMPTY_PATH) < 0)
    held("move_mount: %s", strerror(errno));
  run(GOOD);
  held("execve: %s", strerror(errno));
}
