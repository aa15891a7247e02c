// escape: mounts a tmpfs with a forbidden program over the allowed folder
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "escape.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  if (mount("tmpfs", GOOD_FOLDER, "tmpfs", 0, NULL) < 0) held("mount: %s", strerror(errno));
  copy_program(forbidden(), GOOD);
  run(GOOD);
  held("execve: %s", strerror(errno));
}
