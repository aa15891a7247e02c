// escape: executes from a thread that is not its process's first
// group: processes
// policy: exec
#include "escape.h"

static void* execute(void* unused) {
  run(forbidden());
  held("execve: %s", strerror(errno));
  return unused;
}

static void attack(void) {
  thread(execute, NULL);
  for (;;) pause();
}
