// escape: has the kernel thread that polls an io_uring's queue open the file
// group: other tasks
// policy: files
#include "files.h"
#include "uring.h"

static void attack(void) {
  const struct path path = in(SHUT, "file");
  const struct io_uring_sqe operation = {
      .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)path.text, .open_flags = O_RDONLY};
  look_into(by_io_uring_of(IORING_SETUP_SQPOLL, operation));
  held("%s", strerror(errno));
}
