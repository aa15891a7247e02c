// escape: binds over the allowed program in namespaces that come with clone's flags
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
#include <sys/mount.h>

#include "escape.h"

static void attack(void) {
  const long child = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
  if (child < 0) held("clone: %s", strerror(errno));
  if (child == 0) {
    if (mount(forbidden(), GOOD, NULL, MS_BIND, NULL) < 0) held("mount: %s", strerror(errno));
    run(GOOD);
    _exit(1);
  }
  waitpid((pid_t)child, NULL, 0);
}
