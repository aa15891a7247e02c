// escape: reads in a copy of the mount, without what is mounted in it, that is mounted nowhere
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE CAP_SYS_ADMIN
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  const int tree = open_tree(AT_FDCWD, "/srv", OPEN_TREE_CLONE);
  if (tree < 0) held("open_tree: %s", strerror(errno));
  try_to_read_at(tree, "half/secret");
  held("%s", strerror(errno));
}
