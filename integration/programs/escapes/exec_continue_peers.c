// escape: who flips the path is sent SIGCONT all the time, so that it does not stay stopped
// group: signals
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  const pid_t flipping = fork();
  if (flipping == 0) {
    struct flip flip = {path + 5, "a", "b", 1};
    flip_for_ever(&flip);
  }
  for (int i = 0; i < 2; i++) {
    if (!beside()) continue;
    for (;;) kill(flipping, SIGCONT);
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
