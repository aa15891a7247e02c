// escape: another thread closes the TCP socket and opens a UDP one, which gets its number
// group: descriptor tricks
// policy: network-tcp
// attempts: 20000
#define STRANGER_TCP_ALLOWED
#include "escape.h"

static int number;

static void* reopen(void* unused) {
  unsigned seed = 1;
  for (int type = SOCK_DGRAM;; type = type == SOCK_DGRAM ? SOCK_STREAM : SOCK_DGRAM) {
    close(number);
    if (socket(AF_INET, type, 0) != number) broken("the number is another one");
    moment(&seed);
  }
  return unused;
}

static void attack(void) {
  struct sockaddr_in to = stranger();
  number = tcp(AF_INET);
  thread(reopen, NULL);
  while (more()) {
    // UDP alone sends a datagram by this; on TCP it is bytes of a connection that is allowed.
    if (connect(number, ADDRESS(to)) == 0) send(number, "x", 1, MSG_NOSIGNAL);
  }
}
