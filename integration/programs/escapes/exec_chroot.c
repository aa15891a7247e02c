// escape: executes /escapes/good/prog in a root of its own, where that is a copy of the forbidden program
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SYS_CHROOT
#include "escape.h"

static void attack(void) {
  if (mkdir("/tmp/escapes", 0755) < 0 || mkdir("/tmp/escapes/good", 0755) < 0) broken("mkdir");
  copy_program(forbidden(), "/tmp/escapes/good/prog");
  if (chroot("/tmp") < 0) held("chroot: %s", strerror(errno));
  run("/escapes/good/prog");
  held("execve: %s", strerror(errno));
}
