// escape: executes by way of 39 symlinks, the most that the kernel follows
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  char from[32], to[64];
  strcpy(to, forbidden());
  for (int i = 0; i < 39; i++) {
    snprintf(from, sizeof from, "/tmp/%d", i);
    if (symlink(to, from) < 0) broken("symlink");
    strcpy(to, from);
  }
  run(to);
  held("%s", strerror(errno));
}
