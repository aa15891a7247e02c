// escape: has a kernel thread of io_uring open a denied file
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"
#include "uring.h"

static void attack(void) {
  const struct path path = in("/srv/half", SECRET);
  const struct io_uring_sqe operation = {.opcode = IORING_OP_OPENAT,
                                         .flags = IOSQE_ASYNC,
                                         .fd = AT_FDCWD,
                                         .addr = (uintptr_t)path.text,
                                         .open_flags = O_RDONLY};
  look_into(by_io_uring(operation));
  held("%s", strerror(errno));
}
