// escape: executes the forbidden program with the name of the allowed one as its first argument
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  char* arguments[] = {GOOD, NULL};
  execve(forbidden(), arguments, no_environment);
  held("%s", strerror(errno));
}
