// escape: was connected to the friend, dissolves that with AF_UNSPEC, and sends to the stranger
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in first = the_friend(), to = stranger();
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  const int fd = udp(AF_INET);
  if (connect(fd, ADDRESS(first)) < 0 || connect(fd, ADDRESS(nobody)) < 0) broken("connect");
  if (sendto(fd, "x", 1, 0, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
}
