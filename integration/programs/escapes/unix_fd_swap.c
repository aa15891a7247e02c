// escape: another thread puts a datagram socket under the number of a stream, which takes no names
// group: descriptor tricks
// policy: unix
// attempts: 3000
#include "unix.h"

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
  int pair[2];
  serve_all(SOCK_DGRAM);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) broken("socketpair");
  sockets[0] = unix_socket(SOCK_DGRAM);
  sockets[1] = pair[0];
  dup2(sockets[0], kNumber);
  const struct name name = named(evil());
  thread(swap, NULL);
  while (more()) {
    sendto(kNumber, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NAME(name));
    arrived();
  }
}
