// escape: connects with an IPv6 address as RFC 2133 had it, four bytes shorter
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 to = stranger6();
  if (connect(tcp(AF_INET6), (struct sockaddr*)&to, 24) < 0) held("connect: %s", strerror(errno));
}
