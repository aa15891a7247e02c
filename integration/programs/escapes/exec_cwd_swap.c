// escape: a process that shares the working folder changes it, while a relative path is executed
// group: path races
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0) == 0) {
    unsigned seed = 1;
    for (;;) {
      if (chdir(forbidden_folder()) < 0) broken("chdir");
      moment(&seed);
      if (chdir(GOOD_FOLDER) < 0) broken("chdir");
      moment(&seed);
    }
  }
  while (more()) {
    const long child = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      run("./prog");
      _exit(1);
    }
    waitpid((pid_t)child, NULL, 0);
  }
}
