// escape: has io_uring send a datagram with an address
// group: alternative calls
// policy: network
// neighbour: connect_udp --neighbour
#include "uring.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1};
  const struct io_uring_sqe operation = {
      .opcode = IORING_OP_SENDMSG, .fd = udp(AF_INET), .addr = (uintptr_t)&message, .len = 1};
  if (by_io_uring(operation) < 0) broken("sendmsg");
}
