// escape: connects by sendto with MSG_FASTOPEN and bits above it that the kernel ignores
// group: alternative calls
// policy: network
// neighbour: connect_tcp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  const long flags = 0x500000000L | MSG_FASTOPEN | MSG_NOSIGNAL;
  if (syscall(SYS_sendto, tcp(AF_INET), "x", 1, flags, &to, sizeof to) < 0)
    held("sendto: %s", strerror(errno));
}
