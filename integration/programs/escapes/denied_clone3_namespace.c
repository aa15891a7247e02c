// escape: does so in namespaces made by clone3, whose flags lie in memory
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE
#include <linux/sched.h>
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  struct clone_args arguments = {.flags = CLONE_NEWUSER | CLONE_NEWNS, .exit_signal = SIGCHLD};
  const long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child < 0) held("clone3: %s", strerror(errno));
  if (child == 0) {
    if (mount("/srv", "/tmp", NULL, MS_BIND, NULL) < 0) held("mount: %s", strerror(errno));
    try_to_read("/tmp/half/secret");
    held("%s", strerror(errno));
  }
  waitpid((pid_t)child, NULL, 0);
}
