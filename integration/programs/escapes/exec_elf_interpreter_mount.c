// escape: mounts another program where an allowed dynamic program has its ld.so
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "escape.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  if (mount(FORBIDDEN_FOLDER, "/lib64", NULL, MS_BIND, NULL) < 0) held("mount: %s", strerror(errno));
  run(GOOD_FOLDER "/dynamic");
  held("execve: %s", strerror(errno));
}
