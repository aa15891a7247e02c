// escape: executes a copy that has been deleted, by its descriptor
// group: alternative calls
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

static void attack(void) {
  copy_program(forbidden(), "/tmp/prog");
  const int copy = open("/tmp/prog", O_RDONLY);
  unlink("/tmp/prog");
  run_at(copy, "", AT_EMPTY_PATH);
  held("%s", strerror(errno));
}
