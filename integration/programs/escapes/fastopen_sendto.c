// escape: connects by sendto with MSG_FASTOPEN
// group: alternative calls
// policy: network
// neighbour: connect_tcp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  if (sendto(tcp(AF_INET), "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, ADDRESS(to)) < 0)
    held("sendto: %s", strerror(errno));
}
