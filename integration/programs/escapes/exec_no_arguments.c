// escape: executes without any arguments: argv is NULL
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  syscall(SYS_execve, forbidden(), NULL, NULL);
  held("%s", strerror(errno));
}
