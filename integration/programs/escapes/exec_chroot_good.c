// escape: executes the forbidden program from a root within the container, where it has the shortest of names
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SYS_CHROOT
#include "escape.h"

static void attack(void) {
  if (chroot(forbidden_folder()) < 0) held("chroot: %s", strerror(errno));
  run("/prog");
  held("execve: %s", strerror(errno));
}
