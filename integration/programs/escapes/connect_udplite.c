// escape: connects over UDP-Lite
// group: alternative calls
// policy: network
// neighbour: connect_udp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  to.sin_port = htons(kAllowedPort);
  const int receiver = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
  const int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
  if (receiver < 0 || fd < 0) skipped("no UDP-Lite: %s", strerror(errno));
  bound(receiver, &to, sizeof to);
  if (connect(fd, ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
  char byte;
  if (send(fd, "x", 1, 0) == 1 && recv(receiver, &byte, 1, 0) == 1) escaped("the stranger got a datagram");
}
