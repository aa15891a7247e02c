// escape: connects with bits that the kernel ignores in the registers of the descriptor and the length
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  const int fd = tcp(AF_INET);
  if (syscall(SYS_connect, 0x700000000L | fd, &to, 0x900000000L | sizeof to) < 0) {
    held("connect: %s", strerror(errno));
  }
}
