// escape: reads by a relative path out of an allowed folder
// group: file names
// policy: files
#include "files.h"

static void attack(void) {
  if (chdir("/srv/open/folder") < 0) broken("chdir");
  try_to_read(is_neighbour ? "../../half/../open/file" : "../../half/../shut/file");
  held("%s", strerror(errno));
}
