// escape: connects a UDP socket, then writes to it
// group: plain
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  const int fd = udp(AF_INET);
  if (connect(fd, ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
  if (write(fd, "x", 1) != 1) broken("write");
}
