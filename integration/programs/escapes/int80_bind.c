// escape: binds by the i386 bind (int 0x80)
// group: second ABIs
// policy: network
// neighbour: bind_port --neighbour
#include "i386.h"

static void attack(void) {
  const struct sockaddr_in local = ipv4("127.0.0.1", forbidden_port());
  const int fd = tcp(AF_INET);
  unsigned char* page = low_page();
  memcpy(page, &local, sizeof local);
  if (i386_call(kI386Bind, (unsigned long)fd, low(page), sizeof local, 0, 0) < 0)
    held("bind: %s", strerror(errno));
  check_bound(fd);
}
