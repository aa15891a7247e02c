// escape: sends to IPv4 by way of a mapped IPv6 address
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 to = mapped_stranger();
  if (sendto(udp(AF_INET6), "x", 1, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
}
