// escape: has 300 threads wait in allowed connects that nobody answers, then connects elsewhere
// group: the agent itself
// policy: network
#include "escape.h"

static _Atomic int waiting;

static void* wait_in_connect(void* deaf) {
  waiting++;
  connect(tcp(AF_INET), deaf, sizeof(struct sockaddr_in));
  pause();
  return NULL;
}

static void attack(void) {
  static struct sockaddr_in deaf;
  struct sockaddr_in to = stranger();
  deaf = ipv4("127.0.0.1", kAllowedPort);
  const int listener = bound(tcp(AF_INET), ADDRESS(deaf));
  if (listen(listener, 0) < 0 || connect(tcp(AF_INET), ADDRESS(deaf)) < 0) broken("listen");
  for (int i = 0; i < 300; i++) thread(wait_in_connect, &deaf);
  while (waiting < 300) usleep(1000);
  usleep(200000);
  const int fd = udp(AF_INET);  // which never waits
  if (connect(fd, ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
  if (send(fd, "x", 1, 0) < 0) broken("send");
}
