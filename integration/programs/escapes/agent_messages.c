// escape: makes the agent's log full and long: addresses of every form from 8 processes, then connects
// group: the agent itself
// policy: network
// attempts: 3000
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  for (int i = 0; i < 8; i++) {
    if (!beside()) continue;
    unsigned seed = (unsigned)i;
    for (;;) {
      unsigned char address[128];
      for (size_t k = 0; k < sizeof address; k++) address[k] = (unsigned char)rand_r(&seed);
      address[1] = 0;
      address[0] = (unsigned char[]){AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}[rand_r(&seed) % 4];
      // Never anything that leads anywhere.
      const int fd = open_socket(address[0] == AF_INET ? AF_INET6 : AF_INET, SOCK_STREAM);
      connect(fd, (struct sockaddr*)address, (socklen_t)(rand_r(&seed) % 140));
      close(fd);
    }
  }
  const int fd = udp(AF_INET);
  while (more()) {
    if (connect(fd, ADDRESS(to)) == 0) send(fd, "x", 1, 0);
  }
}
