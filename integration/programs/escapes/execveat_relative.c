// escape: executes by execveat with a folder and a relative path
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  run_at(open(forbidden_folder(), O_PATH), "prog", 0);
  held("%s", strerror(errno));
}
