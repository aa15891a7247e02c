// escape: removes a file that may only be read, by a descriptor of its folder
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  const int folder = open(READABLE, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 || unlinkat(folder, "file", 0) < 0) held("unlinkat: %s", strerror(errno));
  check_gone(in(READABLE, "file").text);
}
