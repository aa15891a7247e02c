// escape: connects by the i386 socketcall (int 0x80), whose arguments lie in memory
// group: second ABIs
// policy: network
// neighbour: connect_tcp --neighbour
#include "i386.h"

enum { kSocketcallConnect = 3 };

static void attack(void) {
  const struct sockaddr_in to = stranger();
  unsigned char* page = low_page();
  memcpy(page, &to, sizeof to);
  const uint32_t arguments[] = {(uint32_t)tcp(AF_INET), low(page), sizeof to};
  memcpy(page + 64, arguments, sizeof arguments);
  if (i386_call(kI386Socketcall, kSocketcallConnect, low(page + 64), 0, 0, 0) < 0)
    held("socketcall: %s", strerror(errno));
}
