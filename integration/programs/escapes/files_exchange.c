// escape: exchanges a file of its own for one that may only be read (RENAME_EXCHANGE)
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "file");
  make_changed("/srv/open/own");
  if (renameat2(AT_FDCWD, "/srv/open/own", AT_FDCWD, path.text, RENAME_EXCHANGE) < 0)
    held("renameat2: %s", strerror(errno));
  check_changed(path.text);
}
