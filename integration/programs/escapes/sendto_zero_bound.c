// escape: 0.0.0.0 from a socket bound to the stranger: the kernel goes where the socket is
// group: names and addresses
// policy: network
// neighbour: sendto_udp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in local = ipv4("127.0.0.2", kAllowedPort), to = ipv4("0.0.0.0", kPort);
  const int fd = udp(AF_INET);
  if (bind(fd, ADDRESS(local)) < 0) broken("bind");
  if (sendto(fd, "x", 1, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
}
