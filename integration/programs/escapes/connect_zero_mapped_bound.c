// escape: the same by mapped addresses, with UDP: ::ffff:0.0.0.0 from a socket bound to the mapped stranger
// group: names and addresses
// policy: network
// neighbour: connect_zero --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 local = ipv6("::ffff:127.0.0.2", kAllowedPort), to = ipv6("::ffff:0.0.0.0", kPort);
  const int fd = udp(AF_INET6);
  if (bind(fd, ADDRESS(local)) < 0) broken("bind");
  if (connect(fd, ADDRESS(to)) < 0 || send(fd, "x", 1, 0) < 0) held("connect: %s", strerror(errno));
}
