// escape: connects over IPv6 where the rules name IPv4 alone
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 to = stranger6();
  if (connect(tcp(AF_INET6), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
