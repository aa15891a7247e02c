// escape: reads with the folder for a root (openat2, RESOLVE_IN_ROOT)
// group: file names
// policy: files
#include <linux/openat2.h>

#include "files.h"

static void attack(void) {
  const int folder = open(SHUT, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
  look_into((int)syscall(SYS_openat2, folder, "/../file", &how, sizeof how));
  held("%s", strerror(errno));
}
