// escape: binds with bits that the kernel ignores in the registers of the descriptor and the length
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in local = ipv4("127.0.0.1", forbidden_port());
  const int fd = tcp(AF_INET);
  if (syscall(SYS_bind, 0x700000000L | fd, &local, 0x900000000L | sizeof local) < 0) {
    held("bind: %s", strerror(errno));
  }
  check_bound(fd);
}
