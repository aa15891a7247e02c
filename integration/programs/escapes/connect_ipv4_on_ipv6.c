// escape: gives an IPv4 address to a UDP socket of IPv6, which takes it
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  const int fd = udp(AF_INET6);
  if (connect(fd, ADDRESS(to)) < 0 || send(fd, "x", 1, 0) < 0) held("connect: %s", strerror(errno));
}
