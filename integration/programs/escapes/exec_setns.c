// escape: joins the mount namespace that a child has made and mounted something in
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "escape.h"

static void attack(void) {
  int ready[2];
  char byte;
  if (pipe(ready) < 0) broken("pipe");
  // As a member of the child's user namespace the caller may join its mount namespace.
  if (beside()) {
    become_root_of_namespaces(CLONE_NEWNS);
    if (mount(forbidden(), GOOD, NULL, MS_BIND, NULL) < 0) held("mount: %s", strerror(errno));
    if (write(ready[1], "x", 1) != 1) broken("write");
    pause();
  }
  pid_t child = -1;
  // The only other processes are the witness, this one and the child.
  for (pid_t pid = getpid() + 1; pid < getpid() + 100 && child < 0; pid++) {
    if (kill(pid, 0) == 0) child = pid;
  }
  close(ready[1]);
  if (read(ready[0], &byte, 1) != 1) held("the child made no namespaces");
  const int handle = (int)syscall(SYS_pidfd_open, child, 0);
  if (setns(handle, CLONE_NEWUSER | CLONE_NEWNS) < 0) held("setns: %s", strerror(errno));
  run(GOOD);
  held("execve: %s", strerror(errno));
}
