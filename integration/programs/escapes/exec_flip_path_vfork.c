// escape: executes in a vfork child while a thread of its waiting parent changes the path
// group: argument races
// policy: exec
// attempts: 1500
#include "escape.h"

static char path[] = "/tmp/a";

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  static struct flip flip = {path + 5, "a", "b", 1};
  static char* arguments[] = {"prog", NULL};
  thread(flip_for_ever, &flip);
  while (more()) {
    const pid_t child = vfork();
    if (child == 0) {
      syscall(SYS_execve, path, arguments, no_environment);
      _exit(1);
    }
    if (child < 0) broken("vfork");
    waitpid(child, NULL, 0);
  }
}
