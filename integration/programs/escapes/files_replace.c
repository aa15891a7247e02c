// escape: moves a file of its own over one that may only be read
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "file");
  make_changed("/srv/open/own");
  if (rename("/srv/open/own", path.text) < 0) held("rename: %s", strerror(errno));
  check_changed(path.text);
}
