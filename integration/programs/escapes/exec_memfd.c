// escape: executes a copy that is in no folder (memfd)
// group: alternative calls
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

static void attack(void) {
  const int copy = memfd_create("prog", 0);
  copy_into(copy, forbidden());
  run_at(copy, "", AT_EMPTY_PATH);
  held("%s", strerror(errno));
}
