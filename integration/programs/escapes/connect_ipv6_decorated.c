// escape: connects to an IPv6 address with a scope and flow information
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 to = stranger6();
  to.sin6_scope_id = 1;
  to.sin6_flowinfo = htonl(0x12345);
  if (connect(tcp(AF_INET6), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
