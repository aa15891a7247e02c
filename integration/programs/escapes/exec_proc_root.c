// escape: executes through /proc/self/root
// group: alternative calls
// policy: exec
// pending: exec rules are not supported yet
#include "escape.h"

static void attack(void) {
  char path[200];
  snprintf(path, sizeof path, "/proc/self/root%s", forbidden());
  run(path);
  held("%s", strerror(errno));
}
