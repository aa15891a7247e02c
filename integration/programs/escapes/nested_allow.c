// escape: has a filter of its own that allows connect
// group: filters of its own
// policy: network
#include "filter.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  if (filter(SYS_connect, SECCOMP_RET_ALLOW, 0) < 0) broken("seccomp");
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
