// escape: empties a file that may only be read, by opening it for reading (O_TRUNC)
// group: file contents
// policy: files
#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "file");
  if (open(path.text, O_RDONLY | O_TRUNC | O_CLOEXEC) < 0) held("O_TRUNC: %s", strerror(errno));
  check_size(path.text, 0);
}
