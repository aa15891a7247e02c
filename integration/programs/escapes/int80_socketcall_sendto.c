// escape: sends a datagram with an address by the i386 socketcall (int 0x80)
// group: second ABIs
// policy: network
// neighbour: connect_udp --neighbour
#include "i386.h"

enum { kSocketcallSendto = 11 };

static void attack(void) {
  const struct sockaddr_in to = stranger();
  unsigned char* page = low_page();
  memcpy(page, &to, sizeof to);
  const uint32_t arguments[] = {(uint32_t)udp(AF_INET), low(page), 1, 0, low(page), sizeof to};
  memcpy(page + 64, arguments, sizeof arguments);
  if (i386_call(kI386Socketcall, kSocketcallSendto, low(page + 64), 0, 0, 0) < 0)
    held("socketcall: %s", strerror(errno));
}
