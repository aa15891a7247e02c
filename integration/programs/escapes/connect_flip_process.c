// escape: another process changes the address in memory that both share
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  struct sockaddr_in first = the_friend(), second = stranger();
  struct sockaddr_in* address = shared_memory(sizeof *address);
  *address = first;
  if (beside()) {
    struct flip flip = {&address->sin_addr, &first.sin_addr, &second.sin_addr, 4};
    flip_for_ever(&flip);
  }
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, ADDRESS(*address));
    close(fd);
  }
}
