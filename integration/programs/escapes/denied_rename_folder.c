// escape: moves a denied folder to another name
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  if (rename(is_neighbour ? "/srv/open/folder" : "/srv/shut", "/srv/half/moved") < 0)
    held("rename: %s", strerror(errno));
  try_to_read("/srv/half/moved/file");
  held("%s", strerror(errno));
}
