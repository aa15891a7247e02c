// escape: moves the file to where it may be read
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  if (rename(in(SHUT, "file").text, "/srv/open/moved") < 0) held("rename: %s", strerror(errno));
  try_to_read("/srv/open/moved");
  held("%s", strerror(errno));
}
