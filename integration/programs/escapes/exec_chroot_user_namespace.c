// escape: the same root of its own as root of a user namespace, which may chroot
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SETFCAP
#include "escape.h"

static void attack(void) {
  if (mkdir("/tmp/escapes", 0755) < 0 || mkdir("/tmp/escapes/good", 0755) < 0) broken("mkdir");
  copy_program(forbidden(), "/tmp/escapes/good/prog");
  become_root_of_namespaces(0);
  if (chroot("/tmp") < 0) held("chroot: %s", strerror(errno));
  run("/escapes/good/prog");
  held("execve: %s", strerror(errno));
}
