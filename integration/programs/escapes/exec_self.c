// escape: becomes what /proc/PID/exe of another process leads to, a deleted copy
// group: alternative calls
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

// The program runs once more here, and finds that it is not the first process.
static void attack(void) {
  char path[64];
  copy_program(forbidden(), "/tmp/prog");
  const int copy = open("/tmp/prog", O_RDONLY);
  unlink("/tmp/prog");
  snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), copy);
  if (in_child()) {
    run(path);
    _exit(1);
  }
  snprintf(path, sizeof path, "/proc/thread-self/fd/%d", copy);
  run(path);
  held("execve: %s", strerror(errno));
}
