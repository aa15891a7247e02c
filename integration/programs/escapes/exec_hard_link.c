// escape: executes a copy by a hard link whose folders look like the allowed ones
// group: alternative calls
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

static void attack(void) {
  copy_program(forbidden(), "/tmp/copy");
  if (mkdir("/tmp/escapes", 0755) < 0 || mkdir("/tmp/escapes/good", 0755) < 0) broken("mkdir");
  if (link("/tmp/copy", "/tmp/escapes/good/prog") < 0) broken("link");
  run("/tmp/escapes/good/prog");
  held("%s", strerror(errno));
}
