// escape: writes to a file that may only be read
// group: file contents
// policy: files
#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "file");
  const int file = open(path.text, O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, "changed\n", 8) != 8) held("%s", strerror(errno));
  check_changed(path.text);
}
