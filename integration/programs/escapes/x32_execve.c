// escape: executes by the x32 execve
// group: second ABIs
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

static void attack(void) {
  char* arguments[] = {"prog", NULL};
  syscall(0x40000000 | 520, forbidden(), arguments, no_environment);
  if (errno == ENOSYS) skipped("no x32: %s", strerror(errno));
  held("execve: %s", strerror(errno));
}
