// escape: the folder's descriptor that execveat is given is exchanged by dup2
// group: path races
// policy: exec
// attempts: 1500
#include "escape.h"

enum { kNumber = 100 };

static void attack(void) {
  const int folders[] = {open(GOOD_FOLDER, O_PATH), open(forbidden_folder(), O_PATH)};
  dup2(folders[0], kNumber);
  if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0) {
    unsigned seed = 1;
    for (int i = 0;; i = !i) {
      dup2(folders[i], kNumber);
      moment(&seed);
    }
  }
  while (more()) {
    const long child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      run_at(kNumber, "prog", 0);
      _exit(1);
    }
    waitpid((pid_t)child, NULL, 0);
  }
}
