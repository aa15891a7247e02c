// escape: binds the forbidden program over the allowed one, in a mount namespace of its own
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "escape.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  if (mount(forbidden(), GOOD, NULL, MS_BIND, NULL) < 0) held("mount: %s", strerror(errno));
  run(GOOD);
  held("execve: %s", strerror(errno));
}
