// escape: another thread changes the port while bind is looked at
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in address;
  static in_port_t first, second;
  address = ipv4("127.0.0.3", kAllowedPort + 1);
  first = address.sin_port;
  second = htons((in_port_t)forbidden_port());
  static struct flip flip = {&address.sin_port, &first, &second, sizeof first};
  thread(flip_for_ever, &flip);
  while (more()) {
    const int fd = tcp(AF_INET);
    if (bind(fd, ADDRESS(address)) == 0) check_bound(fd);
    close(fd);
  }
}
