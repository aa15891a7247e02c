// escape: connects by a relative path in a mount that is mounted nowhere, and has paths of its own
// group: namespaces
// policy: unix
// neighbour: unix_connect --neighbour
// capabilities: CAP_SYS_ADMIN
#include <sys/mount.h>

#include "unix.h"

static void attack(void) {
  serve_all(SOCK_STREAM);
  mkdir("/tmp/apart", 0755);
  mkdir("/tmp/apart/tmp", 0755);
  mkdir("/tmp/apart/tmp/good", 0755);
  if (link(EVIL_SOCKET, "/tmp/apart/tmp/good/socket") < 0) broken("link");
  const int tree = open_tree(AT_FDCWD, "/tmp/apart", OPEN_TREE_CLONE);
  if (tree < 0 || fchdir(tree) < 0) held("open_tree: %s", strerror(errno));
  connect_once(named("tmp/good/socket"));
}
