// escape: sends to a group that the stranger is a member of
// group: names and addresses
// policy: network
// neighbour: sendto_udp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in everywhere = ipv4("0.0.0.0", kAllowedPort), to = ipv4("224.0.0.251", kAllowedPort);
  const int receiver = bound(udp(AF_INET), ADDRESS(everywhere)), fd = udp(AF_INET);
  const struct ip_mreqn group = {.imr_multiaddr = to.sin_addr, .imr_ifindex = 1};
  if (setsockopt(receiver, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) < 0) broken("membership");
  if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group) < 0) broken("interface");
  if (sendto(fd, "x", 1, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
  char byte;
  if (recv(receiver, &byte, 1, 0) == 1) escaped("the group got a datagram");
}
