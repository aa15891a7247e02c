// escape: connects while another thread executes: whose call is it then?
// group: processes
// policy: exec-network
// attempts: 1000
#include "escape.h"

static void* connect_for_ever(void* to) {
  for (;;) {
    const int fd = udp(AF_INET);
    if (connect(fd, to, sizeof(struct sockaddr_in)) == 0) send(fd, "x", 1, 0);
    close(fd);
  }
  return NULL;
}

static void attack(void) {
  static struct sockaddr_in to;
  to = stranger();
  while (more()) {
    if (!in_child()) continue;
    for (int i = 0; i < 4; i++) thread(connect_for_ever, &to);
    if (!is_neighbour) close(kMarkerFd);
    run(GOOD);
    _exit(1);
  }
}
