// escape: reads in a copy of the folder's mount that is mounted nowhere
// group: namespaces
// policy: files
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  const int tree = open_tree(AT_FDCWD, SHUT, OPEN_TREE_CLONE);
  if (tree < 0) held("open_tree: %s", strerror(errno));
  try_to_read_at(tree, "file");
  held("%s", strerror(errno));
}
