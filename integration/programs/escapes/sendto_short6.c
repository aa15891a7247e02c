// escape: sends to an IPv6 address as RFC 2133 had it, four bytes shorter
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 to = stranger6();
  if (sendto(udp(AF_INET6), "x", 1, 0, (struct sockaddr*)&to, 24) < 0) held("sendto: %s", strerror(errno));
}
