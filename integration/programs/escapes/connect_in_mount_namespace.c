// escape: connects from a mount namespace of its own without a /proc
// group: namespaces
// policy: network
// neighbour: connect_tcp --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  become_root_of_namespaces(CLONE_NEWNS);
  if (mount("tmpfs", "/proc", "tmpfs", 0, NULL) < 0) held("mount: %s", strerror(errno));
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
