// escape: connects by the x32 system call: the x86-64 number with bit 30 set
// group: second ABIs
// policy: network
// neighbour: connect_tcp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  if (syscall(0x40000000 | SYS_connect, tcp(AF_INET), &to, sizeof to) < 0) {
    if (errno == ENOSYS) skipped("no x32: %s", strerror(errno));
    held("connect: %s", strerror(errno));
  }
}
