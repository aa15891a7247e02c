// escape: executes by a path of almost 4096 bytes
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  static char path[4096];
  for (int i = 0; i < 4000; i += 2) memcpy(path + i, "/.", 2);
  strcat(path, forbidden());
  run(path);
  held("%s", strerror(errno));
}
