// escape: executes a copy in a folder of its own
// group: alternative calls
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

static void attack(void) {
  copy_program(forbidden(), "/tmp/prog");
  run("/tmp/prog");
  held("%s", strerror(errno));
}
