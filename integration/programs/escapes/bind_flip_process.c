// escape: another process changes the port in memory that both share
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  struct sockaddr_in* address = shared_memory(sizeof *address);
  *address = ipv4("127.0.0.3", kAllowedPort + 1);
  const in_port_t first = address->sin_port, second = htons((in_port_t)forbidden_port());
  if (beside()) {
    struct flip flip = {&address->sin_port, &first, &second, sizeof first};
    flip_for_ever(&flip);
  }
  while (more()) {
    const int fd = tcp(AF_INET);
    if (bind(fd, ADDRESS(*address)) == 0) check_bound(fd);
    close(fd);
  }
}
