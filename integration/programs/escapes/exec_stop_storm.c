// escape: is stopped and continued all the time (SIGSTOP, SIGCONT), while the path changes
// group: signals
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  _Atomic pid_t* caller = shared_memory(4096);
  if (beside()) {
    struct flip flip = {path + 5, "a", "b", 1};
    flip_for_ever(&flip);
  }
  if (beside()) {
    for (;;) {
      const pid_t pid = *caller;
      if (pid <= 0) continue;
      kill(pid, SIGSTOP);
      kill(pid, SIGCONT);
    }
  }
  while (more()) {
    const pid_t child = fork();
    if (child == 0) {
      *caller = getpid();
      run(path);
      _exit(1);
    }
    waitpid(child, NULL, 0);
    *caller = 0;
  }
}
