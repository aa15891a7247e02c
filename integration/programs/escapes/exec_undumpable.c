// escape: executes with its memory unreadable (PR_SET_DUMPABLE) and without a working folder
// group: processes
// policy: exec
#include "escape.h"

static void attack(void) {
  if (mkdir("/tmp/gone", 0755) < 0 || chdir("/tmp/gone") < 0 || rmdir("/tmp/gone") < 0) broken("folder");
  prctl(PR_SET_DUMPABLE, 0);
  run(forbidden());
  held("execve: %s", strerror(errno));
}
