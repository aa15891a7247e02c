// escape: puts a filter on itself that says of the agent's calls that they were made, or kills for them
// group: filters of its own
// policy: unix
// rootless neighbour: unix_connect --neighbour
#include "filter.h"
#include "unix.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static void attack(void) {
  static const int kCalls[] = {SYS_mseal, SYS_mmap, SYS_madvise, SYS_openat, SYS_openat2, SYS_fchdir};
  serve_all(SOCK_STREAM);
  if (!is_neighbour) connect_once(named(evil()));
  for (size_t i = 0; i < sizeof kCalls / sizeof *kCalls; i++) {
    // SECCOMP_RET_ERRNO of 0 is success; the neighbour's kills, and still it connects.
    const uint32_t action = is_neighbour ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO;
    if (filter(kCalls[i], action, 0) < 0) broken("seccomp");
  }
  connect_once(named(evil()));
  // In the folder that the agent's own fchdir is thought to have left.
  connect_once(named(GOOD_SOCKET));
}
