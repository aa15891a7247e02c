// escape: gives a denied file another name
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  if (link(in("/srv/half", SECRET).text, "/srv/open/link") < 0) held("link: %s", strerror(errno));
  try_to_read("/srv/open/link");
  held("%s", strerror(errno));
}
