// escape: the path is written by asynchronous input (io_submit) that was asked for before
// group: argument races
// policy: exec
// attempts: 1500
#include <linux/aio_abi.h>

#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  const int letters = memfd_with("ab", 2);
  if (beside()) {
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, 64, &context) < 0) broken("io_setup");
    for (;;) {
      struct iocb reads[2] = {0}, *list[2];
      for (int i = 0; i < 2; i++) {
        reads[i] = (struct iocb){.aio_lio_opcode = IOCB_CMD_PREAD,
                                 .aio_fildes = (unsigned)letters,
                                 .aio_buf = (uintptr_t)(path + 5),
                                 .aio_nbytes = 1,
                                 .aio_offset = i};
        list[i] = &reads[i];
      }
      struct io_event events[2];
      if (syscall(SYS_io_submit, context, 2, list) == 2)
        syscall(SYS_io_getevents, context, 2, 2, events, NULL);
    }
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
