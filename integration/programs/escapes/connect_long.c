// escape: connects with an address of the greatest length, full of rubbish behind its end
// group: names and addresses
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_storage storage;
  memset(&storage, 0x7f, sizeof storage);
  struct sockaddr_in to = stranger();
  memcpy(&storage, &to, sizeof to);
  if (connect(tcp(AF_INET), ADDRESS(storage)) < 0) held("connect: %s", strerror(errno));
}
