// escape: sends a datagram with an address of its own by sendmsg
// group: plain
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1};
  if (sendmsg(udp(AF_INET), &message, 0) < 0) held("sendmsg: %s", strerror(errno));
}
