// escape: reads a file that no list names
// group: file names
// policy: files
#include "files.h"

static void attack(void) {
  try_to_read(in(SHUT, "file").text);
  held("%s", strerror(errno));
}
