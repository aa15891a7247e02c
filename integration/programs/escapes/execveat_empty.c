// escape: executes an open file by execveat with an empty path
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  run_at(open(forbidden(), O_PATH), "", AT_EMPTY_PATH);
  held("%s", strerror(errno));
}
