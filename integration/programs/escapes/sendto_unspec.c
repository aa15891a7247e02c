// escape: sends to an address of the family AF_UNSPEC, which UDP takes for IPv4
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  to.sin_family = AF_UNSPEC;
  if (sendto(udp(AF_INET), "x", 1, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
}
