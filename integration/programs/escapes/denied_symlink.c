// escape: reads a denied file over a chain of symlinks
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  if (symlink("second", "/srv/open/first") < 0 ||
      symlink(in("../half/../half", SECRET).text, "/srv/open/second") < 0)
    broken("symlink");
  try_to_read("/srv/open/first");
  held("%s", strerror(errno));
}
