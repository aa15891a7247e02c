// escape: another thread changes the address while sendto is looked at
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in address, first, second;
  first = address = the_friend();
  second = stranger();
  static struct flip flip = {&address.sin_addr, &first.sin_addr, &second.sin_addr, 4};
  thread(flip_for_ever, &flip);
  const int fd = udp(AF_INET);
  while (more()) sendto(fd, "x", 1, 0, ADDRESS(address));
}
