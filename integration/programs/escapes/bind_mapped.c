// escape: binds an IPv4 port by way of a mapped IPv6 address
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 local = ipv6("::ffff:127.0.0.1", forbidden_port());
  const int fd = tcp(AF_INET6);
  if (bind(fd, ADDRESS(local)) < 0) held("bind: %s", strerror(errno));
  check_bound(fd);
}
