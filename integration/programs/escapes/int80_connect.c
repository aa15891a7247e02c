// escape: connects by the i386 connect (int 0x80)
// group: second ABIs
// policy: network
// neighbour: connect_tcp --neighbour
#include "i386.h"

static void attack(void) {
  const struct sockaddr_in to = stranger();
  unsigned char* page = low_page();
  memcpy(page, &to, sizeof to);
  if (i386_call(kI386Connect, (unsigned long)tcp(AF_INET), low(page), sizeof to, 0, 0) < 0) {
    held("connect: %s", strerror(errno));
  }
}
