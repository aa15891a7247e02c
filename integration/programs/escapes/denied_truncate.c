// escape: cuts a denied file, by its name
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  const struct path path = in("/srv/half", SECRET);
  if (truncate(path.text, 2) < 0) held("truncate: %s", strerror(errno));
  check_size(path.text, 2);
}
