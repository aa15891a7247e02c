// escape: a process that shares all memory, and is no thread of the caller, changes the path
// group: argument races
// policy: exec
// attempts: 1500
#include "escape.h"

static char path[] = "/tmp/a";

static int execute(void* unused) {
  (void)unused;
  static char* arguments[] = {"prog", NULL};
  syscall(SYS_execve, path, arguments, no_environment);
  _exit(1);
}

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  static struct flip flip = {path + 5, "a", "b", 1};
  clone_vm(flip_for_ever_in_clone, &flip, 0);
  while (more()) {
    // Shares the memory with the flipping one as well.
    static char stack[65536] __attribute__((aligned(16)));
    const pid_t child = clone(execute, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    if (child < 0) broken("clone");
    waitpid(child, NULL, 0);
  }
}
