// escape: connects in namespaces made by clone3, whose flags lie in memory where no filter sees them
// group: namespaces
// policy: network
// neighbour: connect_tcp --neighbour
#include <linux/sched.h>

#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  struct clone_args arguments = {.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC,
                                 .exit_signal = SIGCHLD};
  const long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child < 0) held("clone3: %s", strerror(errno));
  if (child == 0) {
    if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
    _exit(0);
  }
  waitpid((pid_t)child, NULL, 0);
}
