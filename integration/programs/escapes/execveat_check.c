// escape: has execveat check only (AT_EXECVE_CHECK), which never ends in an execve, then executes
// group: alternative calls
// policy: exec
// attempts: 200
#include "escape.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

static void attack(void) {
  if (run_at(AT_FDCWD, GOOD, AT_EXECVE_CHECK) < 0 && errno == EINVAL) skipped("no AT_EXECVE_CHECK");
  while (more()) {
    run_at(AT_FDCWD, GOOD, AT_EXECVE_CHECK);
    run_at(AT_FDCWD, forbidden(), AT_EXECVE_CHECK);
    if (!in_child()) continue;
    run_at(AT_FDCWD, GOOD, AT_EXECVE_CHECK);
    run(forbidden());
    _exit(1);
  }
}
