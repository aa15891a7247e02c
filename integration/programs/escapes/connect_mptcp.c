// escape: connects over multipath TCP
// group: alternative calls
// policy: network
#include "escape.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static void attack(void) {
  struct sockaddr_in to = stranger();
  const int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
  if (fd < 0) skipped("no multipath TCP: %s", strerror(errno));
  if (connect(fd, ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
