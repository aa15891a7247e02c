// escape: cuts a file that may only be read, by its name
// group: file contents
// policy: files
#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "file");
  if (truncate(path.text, 2) < 0) held("truncate: %s", strerror(errno));
  check_size(path.text, 2);
}
