// escape: executes what is not allowed
// group: plain
// policy: exec
#include "escape.h"

static void attack(void) {
  run(forbidden());
  held("execve: %s", strerror(errno));
}
