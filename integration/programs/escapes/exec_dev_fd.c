// escape: executes through /dev/fd, a symlink to /proc/self/fd
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  char path[64];
  snprintf(path, sizeof path, "/dev/fd/%d", open(forbidden(), O_RDONLY));
  run(path);
  held("%s", strerror(errno));
}
