// escape: two threads of one process execute at once, one what is allowed and one what is not
// group: processes
// policy: exec
// attempts: 1500
#include "escape.h"

static void* execute(void* path) {
  for (int i = 0; i < 3; i++) run(path);
  pause();
  return NULL;
}

static void attack(void) {
  static char second[64];
  strcpy(second, forbidden());
  while (more()) {
    if (!in_child()) continue;
    alarm(2);
    thread(execute, shared->attempts % 2 ? GOOD : second);
    execute(shared->attempts % 2 ? second : GOOD);
  }
}
