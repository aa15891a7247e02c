// escape: connects to ::, this host by IPv6; its neighbour to 0.0.0.0, this host by IPv4
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  if (is_neighbour) {
    struct sockaddr_in to = ipv4("0.0.0.0", kPort);
    if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
    return;
  }
  struct sockaddr_in6 to = ipv6("::", kPort);
  if (connect(tcp(AF_INET6), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
