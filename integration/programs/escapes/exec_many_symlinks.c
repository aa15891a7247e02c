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
  // When a lookup must begin anew, because of a mount elsewhere for example, the kernel goes on counting
  // where it was (fs/namei.c: path_openat() after -ECHILD), and says ELOOP of what it would have followed.
  for (int i = 0; i < 1000; i++) {
    run(to);
    if (errno != ELOOP) break;
  }
  held("%s", strerror(errno));
}
