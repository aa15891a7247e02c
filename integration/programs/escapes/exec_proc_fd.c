// escape: executes through /proc/self/fd
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", open(forbidden(), O_PATH));
  run(path);
  held("%s", strerror(errno));
}
