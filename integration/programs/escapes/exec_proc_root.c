// escape: executes through /proc/self/root
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  char path[200];
  snprintf(path, sizeof path, "/proc/self/root%s", forbidden());
  run(path);
  held("%s", strerror(errno));
}
