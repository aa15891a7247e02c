// escape: moves the folder to where it may be read
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  if (rename(is_neighbour ? "/srv/open/folder" : "/srv/shut", "/srv/open/moved") < 0)
    held("rename: %s", strerror(errno));
  try_to_read("/srv/open/moved/file");
  held("%s", strerror(errno));
}
