// escape: who flips the path has left its session, its process group and its parents
// group: processes
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  if (in_child()) {
    setsid();
    if (fork() != 0) _exit(0);
    if (fork() != 0) _exit(0);
    struct flip flip = {path + 5, "a", "b", 1};
    flip_for_ever(&flip);
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
