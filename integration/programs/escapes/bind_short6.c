// escape: binds with an IPv6 address as RFC 2133 had it, four bytes shorter
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 local = ipv6("::1", forbidden_port());
  const int fd = tcp(AF_INET6);
  if (bind(fd, (struct sockaddr*)&local, 24) < 0) held("bind: %s", strerror(errno));
  check_bound(fd);
}
