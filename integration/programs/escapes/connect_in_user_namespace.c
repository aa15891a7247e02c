// escape: connects as root of a user namespace of its own
// group: namespaces
// policy: network
// neighbour: connect_tcp --neighbour
// capabilities: CAP_SETFCAP
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  become_root_of_namespaces(0);
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
