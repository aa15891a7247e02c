// escape: connects as the first process of a pid namespace of its own, where its number is another one
// group: namespaces
// policy: network
// neighbour: connect_tcp --neighbour
// capabilities: CAP_SETFCAP
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  become_root_of_namespaces(CLONE_NEWPID);
  if (in_child() && connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
