// escape: has a filter of its own that allows execve
// group: filters of its own
// policy: exec
#include "filter.h"

static void attack(void) {
  if (filter(SYS_execve, SECCOMP_RET_ALLOW, 0) < 0) broken("seccomp");
  run(forbidden());
  held("execve: %s", strerror(errno));
}
