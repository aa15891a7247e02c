// escape: executes by posix_spawn
// group: processes
// policy: exec
#include <spawn.h>

#include "escape.h"

static void attack(void) {
  char* arguments[] = {"prog", NULL};
  pid_t child;
  errno = posix_spawn(&child, forbidden(), NULL, NULL, arguments, no_environment);
  if (errno == 0) waitpid(child, NULL, 0);
  held("%s", strerror(errno));
}
