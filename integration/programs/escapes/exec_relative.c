// escape: executes by a relative path
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  if (chdir(forbidden_folder()) < 0) broken("chdir");
  run("./prog");
  held("%s", strerror(errno));
}
