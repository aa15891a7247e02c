// escape: executes through /proc/self/cwd
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  if (chdir(forbidden_folder()) < 0) broken("chdir");
  run("/proc/self/cwd/prog");
  held("%s", strerror(errno));
}
