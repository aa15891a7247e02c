// escape: has io_uring bind
// group: alternative calls
// policy: network
// neighbour: bind_port --neighbour
#include "uring.h"

enum { kBind = 56 };  // IORING_OP_BIND, since Linux 6.11

static void attack(void) {
  struct sockaddr_in local = ipv4("127.0.0.1", forbidden_port());
  const int fd = tcp(AF_INET);
  const struct io_uring_sqe operation = {
      .opcode = kBind, .fd = fd, .addr = (uintptr_t)&local, .off = sizeof local};
  if (by_io_uring(operation) < 0) skipped("io_uring does not bind: %s", strerror(errno));
  check_bound(fd);
}
