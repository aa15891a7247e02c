// escape: executes in a vfork child
// group: processes
// policy: exec
#include "escape.h"

static void attack(void) {
  const pid_t child = vfork();
  if (child == 0) {
    char* arguments[] = {"prog", NULL};
    syscall(SYS_execve, forbidden(), arguments, no_environment);
    _exit(1);
  }
  waitpid(child, NULL, 0);
  held("%s", strerror(errno));
}
