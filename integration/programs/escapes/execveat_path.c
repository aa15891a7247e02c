// escape: executes by execveat with an absolute path, for which the descriptor does not count
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  run_at(open(GOOD_FOLDER, O_PATH), forbidden(), 0);
  held("%s", strerror(errno));
}
