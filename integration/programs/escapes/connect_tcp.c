// escape: connects over TCP, as every program does
// group: plain
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
