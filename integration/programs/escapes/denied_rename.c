// escape: moves a denied file to another name
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  if (rename(in("/srv/half", SECRET).text, "/srv/open/moved") < 0) held("rename: %s", strerror(errno));
  try_to_read("/srv/open/moved");
  held("%s", strerror(errno));
}
