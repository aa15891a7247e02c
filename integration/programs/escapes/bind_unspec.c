// escape: binds with the family AF_UNSPEC, which IPv4 takes for its own
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in local = ipv4("0.0.0.0", forbidden_port());
  local.sin_family = AF_UNSPEC;
  const int fd = tcp(AF_INET);
  if (bind(fd, ADDRESS(local)) < 0) held("bind: %s", strerror(errno));
  check_bound(fd);
}
