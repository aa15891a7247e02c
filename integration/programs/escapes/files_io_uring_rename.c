// escape: has a kernel thread of io_uring move a file of its own over one that may only be read
// group: other tasks
// policy: files
#include "files.h"
#include "uring.h"

static void attack(void) {
  const struct path path = in(READABLE, "file");
  make_changed("/srv/open/own");
  const struct io_uring_sqe operation = {.opcode = IORING_OP_RENAMEAT,
                                         .flags = IOSQE_ASYNC,
                                         .fd = AT_FDCWD,
                                         .addr = (uintptr_t) "/srv/open/own",
                                         .len = (unsigned)AT_FDCWD,
                                         .off = (uintptr_t)path.text};
  if (by_io_uring(operation) < 0) held("rename: %s", strerror(errno));
  check_changed(path.text);
}
