// escape: a symlink leads to another program when it is followed again
// group: path races
// policy: files
// attempts: 1500
#include "files.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/here") < 0 || symlink(forbidden(), "/tmp/there") < 0) broken("symlink");
  if (beside()) {
    unsigned seed = 1;
    for (;;) {
      if (renameat2(AT_FDCWD, "/tmp/here", AT_FDCWD, "/tmp/there", RENAME_EXCHANGE) < 0) broken("renameat2");
      moment(&seed);
    }
  }
  while (more()) {
    if (!in_child()) continue;
    run("/tmp/here");
    _exit(1);
  }
}
