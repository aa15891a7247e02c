// escape: reads over a chain of symlinks in a folder that may be written
// group: file names
// policy: files
#include "files.h"

static void attack(void) {
  if (symlink("second", "/srv/open/first") < 0 || symlink("folder/third", "/srv/open/second") < 0 ||
      symlink(in(is_neighbour ? "../../open" : "../../shut", "file").text, "/srv/open/folder/third") < 0)
    broken("symlink");
  try_to_read("/srv/open/first");
  held("%s", strerror(errno));
}
