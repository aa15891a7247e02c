// escape: has a kernel thread of io_uring open the file
// group: other tasks
// policy: files
#include "files.h"
#include "uring.h"

static void attack(void) {
  const struct path path = in(SHUT, "file");
  const struct io_uring_sqe operation = {.opcode = IORING_OP_OPENAT,
                                         .flags = IOSQE_ASYNC,
                                         .fd = AT_FDCWD,
                                         .addr = (uintptr_t)path.text,
                                         .open_flags = O_RDONLY};
  look_into(by_io_uring(operation));
  held("%s", strerror(errno));
}
