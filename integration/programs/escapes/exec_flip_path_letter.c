// escape: another process changes one letter of the path, in memory that both share
// group: argument races
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  if (beside()) {
    struct flip flip = {path + 5, "a", "b", 1};
    flip_for_ever(&flip);
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
