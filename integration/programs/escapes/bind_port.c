// escape: binds a port outside the range
// group: plain
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in local = ipv4("127.0.0.1", forbidden_port());
  const int fd = tcp(AF_INET);
  if (bind(fd, ADDRESS(local)) < 0) held("bind: %s", strerror(errno));
  check_bound(fd);
}
