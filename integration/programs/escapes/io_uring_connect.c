// escape: has io_uring connect
// group: alternative calls
// policy: network
// neighbour: connect_tcp --neighbour
#include "uring.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  const struct io_uring_sqe operation = {
      .opcode = IORING_OP_CONNECT, .fd = tcp(AF_INET), .addr = (uintptr_t)&to, .off = sizeof to};
  if (by_io_uring(operation) < 0) broken("connect");
}
