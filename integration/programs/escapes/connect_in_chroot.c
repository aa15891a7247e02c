// escape: connects from a root of its own with nothing in it
// group: namespaces
// policy: network
// capabilities: CAP_SYS_CHROOT
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  if (mkdir("/tmp/empty", 0700) < 0 || chroot("/tmp/empty") < 0 || chdir("/") < 0)
    held("chroot: %s", strerror(errno));
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
