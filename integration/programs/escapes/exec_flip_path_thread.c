// escape: another thread changes the path while execve is looked at
// group: argument races
// policy: exec
// attempts: 2000
#include "escape.h"

static void attack(void) {
  static char path[64], first[] = GOOD, second[64];
  strcpy(path, first);
  strcpy(second, forbidden());
  static struct flip flip = {path, first, second, sizeof FORBIDDEN};
  memset(path + sizeof first, 0, sizeof path - sizeof first);
  while (more()) {
    if (!in_child()) continue;
    thread(flip_for_ever, &flip);
    for (int i = 0; i < 20; i++) run(path);
    _exit(1);
  }
}
