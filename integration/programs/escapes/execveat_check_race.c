// escape: one thread has execveat check only (AT_EXECVE_CHECK) while others change the path and execute
// group: path races
// policy: exec
// attempts: 1500
#include "escape.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

static char path[] = "/tmp/a";

static void* check(void* unused) {
  for (;;) run_at(AT_FDCWD, path, AT_EXECVE_CHECK);
  return unused;
}

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  static struct flip flip = {path + 5, "a", "b", 1};
  while (more()) {
    if (!in_child()) continue;
    thread(flip_for_ever, &flip);
    thread(check, NULL);
    for (int i = 0; i < 5; i++) run(path);
    _exit(1);
  }
}
