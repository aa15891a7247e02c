// escape: mounts the folder of the refused socket over that of the allowed one
// group: namespaces
// policy: unix
// neighbour: unix_connect --neighbour
// capabilities: CAP_SYS_ADMIN
#include <sys/mount.h>

#include "unix.h"

static void attack(void) {
  serve_all(SOCK_STREAM);
  const int tree = open_tree(AT_FDCWD, "/tmp/evil", OPEN_TREE_CLONE);
  if (tree < 0 || move_mount(tree, "", AT_FDCWD, "/tmp/good", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    held("move_mount: %s", strerror(errno));
  connect_once(named(GOOD_SOCKET));
}
