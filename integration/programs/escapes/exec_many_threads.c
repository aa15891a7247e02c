// escape: 16 threads of one process execute at once, while one of them changes the path
// group: processes
// policy: exec
// attempts: 1500
// pending: exec rules are not supported yet
#include "escape.h"

static char path[] = "/tmp/a";

static void* execute(void* unused) {
  for (int i = 0; i < 3; i++) run(path);
  pause();
  return unused;
}

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  static struct flip flip = {path + 5, "a", "b", 1};
  while (more()) {
    if (!in_child()) continue;
    alarm(2);
    thread(flip_for_ever, &flip);
    for (int i = 0; i < 16; i++) thread(execute, NULL);
    pause();
  }
}
