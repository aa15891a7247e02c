// escape: executes while its threads wait in connects and send all the time
// group: processes
// policy: exec-network
// attempts: 1000
#include "escape.h"

static void* connect_for_ever(void* to) {
  for (;;) {
    const int fd = udp(AF_INET);
    connect(fd, to, sizeof(struct sockaddr_in));
    close(fd);
  }
  return NULL;
}

static void attack(void) {
  static struct sockaddr_in to;
  to = the_friend();
  while (more()) {
    if (!in_child()) continue;
    for (int i = 0; i < 4; i++) thread(connect_for_ever, &to);
    run(forbidden());
    _exit(1);
  }
}
