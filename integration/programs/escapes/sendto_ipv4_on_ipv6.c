// escape: gives an IPv4 address to a UDP socket of IPv6, which takes it
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  if (sendto(udp(AF_INET6), "x", 1, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
}
