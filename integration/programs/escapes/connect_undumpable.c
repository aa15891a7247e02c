// escape: makes its memory unreadable for others (PR_SET_DUMPABLE)
// group: processes
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  prctl(PR_SET_DUMPABLE, 0);
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
