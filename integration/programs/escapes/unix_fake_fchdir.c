// escape: has a filter of its own say that the agent's thread is in procfs, and has links where it is
// group: filters of its own
// policy: unix
#include "filter.h"
#include "unix.h"

static void attack(void) {
  serve_all(SOCK_STREAM);
  connect_once(named(evil()));
  mkdir("/tmp/here", 0755);
  mkdir("/tmp/here/thread-self", 0755);
  mkdir("/tmp/here/thread-self/fd", 0755);
  for (int i = 0; i < 64; i++) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/here/thread-self/fd/%d", i);
    if (symlink(evil(), path) < 0) broken("symlink");
  }
  if (chdir("/tmp/here") < 0) broken("chdir");
  if (filter(SYS_fchdir, SECCOMP_RET_ERRNO, 0) < 0) broken("seccomp");
  connect_once(named(GOOD_SOCKET));
}
