// escape: executes by a symlink that has an allowed name
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  if (mkdir("/tmp/escapes", 0755) < 0 || symlink(forbidden(), "/tmp/escapes/prog") < 0) broken("symlink");
  run("/tmp/escapes/prog");
  held("%s", strerror(errno));
}
