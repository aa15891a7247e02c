// escape: sends a datagram with an address of its own
// group: plain
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  if (sendto(udp(AF_INET), "x", 1, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
}
