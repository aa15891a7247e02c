// escape: connects to IPv4 by way of a mapped IPv6 address
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 to = mapped_stranger();
  if (connect(tcp(AF_INET6), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
