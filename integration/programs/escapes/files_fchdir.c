// escape: goes by a descriptor into the folder, and reads what is there
// group: file descriptors
// policy: files
#include "files.h"

static void attack(void) {
  const int folder = open(SHUT, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fchdir(folder) < 0) held("fchdir: %s", strerror(errno));
  try_to_read("file");
  held("%s", strerror(errno));
}
