// escape: sends a datagram without a byte, from no buffer at all
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  if (sendto(udp(AF_INET), NULL, 0, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
}
