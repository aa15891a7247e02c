// escape: who flips the path is traced already, so that nobody else can trace and stop it
// group: processes
// policy: exec
// neighbour: exec_plain --neighbour
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  if (beside()) {
    const pid_t flipping = fork();
    if (flipping == 0) {
      struct flip flip = {path + 5, "a", "b", 1};
      flip_for_ever(&flip);
    }
    if (ptrace(PTRACE_SEIZE, flipping, 0, 0) < 0) held("PTRACE_SEIZE: %s", strerror(errno));
    int status;
    while (waitpid(flipping, &status, 0) == flipping && !WIFEXITED(status))
      ptrace(PTRACE_CONT, flipping, 0, 0);
    _exit(0);
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
