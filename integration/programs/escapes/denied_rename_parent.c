// escape: moves the folder that a denied file is in, and reads it there
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  if (rename("/srv/half", "/srv/open/moved") < 0) broken("rename");
  try_to_read(in("/srv/open/moved", SECRET).text);
  held("%s", strerror(errno));
}
