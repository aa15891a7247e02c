// escape: executes a copy that is in no folder (memfd) through /proc/self/fd
// group: alternative calls
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

static void attack(void) {
  const int copy = memfd_create("../escapes/good/prog", MFD_CLOEXEC);
  char path[64];
  copy_into(copy, forbidden());
  snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
  run(path);
  held("%s", strerror(errno));
}
