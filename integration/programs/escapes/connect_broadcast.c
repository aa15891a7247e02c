// escape: connects to the broadcast address of the friend's network
// group: names and addresses
// policy: network
// neighbour: connect_udp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in everywhere = ipv4("0.0.0.0", kAllowedPort), to = ipv4("127.255.255.255", kAllowedPort);
  const int receiver = bound(udp(AF_INET), ADDRESS(everywhere)), fd = udp(AF_INET), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  if (connect(fd, ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
  if (send(fd, "x", 1, 0) < 0) broken("send");
  char byte;
  if (recv(receiver, &byte, 1, 0) == 1) escaped("everybody got a datagram");
}
