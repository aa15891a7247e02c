// escape: reads in a task that shares all with the caller, and is no thread of its
// group: other tasks
// policy: files
#include "files.h"

static int read_it(void* unused) {
  (void)unused;
  try_to_read(in(SHUT, "file").text);
  held("%s", strerror(errno));
}

static void attack(void) {
  const pid_t task = clone_vm(read_it, NULL, CLONE_FILES | CLONE_FS | CLONE_IO | CLONE_SYSVSEM);
  waitpid(task, NULL, __WALL);
}
