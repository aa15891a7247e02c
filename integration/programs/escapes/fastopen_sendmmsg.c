// escape: connects by sendmmsg with MSG_FASTOPEN
// group: alternative calls
// policy: network
// neighbour: connect_tcp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  struct iovec part = {"x", 1};
  struct mmsghdr message = {
      .msg_hdr = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1}};
  if (sendmmsg(tcp(AF_INET), &message, 1, MSG_FASTOPEN | MSG_NOSIGNAL) < 0)
    held("sendmmsg: %s", strerror(errno));
}
