// escape: gives a file of its own a name in a folder that may only be read
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "new");
  if (link("/srv/open/file", path.text) < 0) held("link: %s", strerror(errno));
  check_made(path.text);
}
