// escape: has a filter of its own say that the agent's thread is in procfs, and has links where it is
// group: filters of its own
// policy: unix
#include "filter.h"
#include "unix.h"

static void attack(void) {
  serve_all(SOCK_STREAM);
  connect_once(named(evil()));
  enter_false_proc();
  if (filter(SYS_fchdir, SECCOMP_RET_ERRNO, 0) < 0) broken("seccomp");
  connect_once(named(GOOD_SOCKET));
}
