// escape: a symlink leads to another program when it is followed again
// group: path races
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/link") < 0) broken("symlink");
  if (beside()) {
    for (int i = 0;; i = !i) {
      unlink("/tmp/next");
      if (symlink(i ? GOOD : forbidden(), "/tmp/next") < 0 || rename("/tmp/next", "/tmp/link") < 0)
        broken("swap");
    }
  }
  while (more()) {
    if (!in_child()) continue;
    run("/tmp/link");
    _exit(1);
  }
}
