// escape: the script that is executed is exchanged for another (RENAME_EXCHANGE)
// group: path races
// policy: exec-script
// attempts: 1500
#include "escape.h"

// The policy allows /tmp/script, and with it whatever is put there as long as its interpreter is allowed.
static void attack(void) {
  write_script("/tmp/script", "#!" GOOD "\n");
  char text[100];
  snprintf(text, sizeof text, "#!%s\n", forbidden());
  write_script("/tmp/other", text);
  if (beside()) {
    for (;;) {
      if (renameat2(AT_FDCWD, "/tmp/script", AT_FDCWD, "/tmp/other", RENAME_EXCHANGE) < 0)
        broken("renameat2");
    }
  }
  while (more()) {
    if (!in_child()) continue;
    run("/tmp/script");
    _exit(1);
  }
}
