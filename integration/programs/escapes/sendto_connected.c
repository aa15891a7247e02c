// escape: is connected to the friend, and sends to the stranger all the same
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in first = the_friend(), to = stranger();
  const int fd = udp(AF_INET);
  if (connect(fd, ADDRESS(first)) < 0) broken("connect");
  if (sendto(fd, "x", 1, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
}
