// escape: flips one byte of an IPv6 address between a mapped friend and a mapped stranger
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in6 address, first, second;
  first = address = ipv6("::ffff:127.0.0.1", kPort);
  second = mapped_stranger();
  static struct flip flip = {&address.sin6_addr.s6_addr[15], &first.sin6_addr.s6_addr[15],
                             &second.sin6_addr.s6_addr[15], 1};
  thread(flip_for_ever, &flip);
  while (more()) {
    const int fd = tcp(AF_INET6);
    connect(fd, ADDRESS(address));
    close(fd);
  }
}
