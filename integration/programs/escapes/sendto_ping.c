// escape: pings the stranger through a ping socket (ICMP), which no rule names
// group: alternative calls
// policy: network
// neighbour: connect_udp --neighbour
// sysctl: net.ipv4.ping_group_range=0 65535
#include <netinet/ip_icmp.h>

#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger(), from;
  socklen_t length = sizeof from;
  const struct icmphdr echo = {.type = ICMP_ECHO};
  char reply[64];
  to.sin_port = 0;
  const int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  if (fd < 0) held("socket: %s", strerror(errno));
  if (sendto(fd, &echo, sizeof echo, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
  if (recvfrom(fd, reply, sizeof reply, 0, (struct sockaddr*)&from, &length) < 0) broken("recvfrom");
  if (from.sin_addr.s_addr == to.sin_addr.s_addr) escaped("the stranger answered");
}
