// escape: removes a denied file, and makes another of its name
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  const struct path path = in("/srv/half", SECRET);
  if (unlink(path.text) < 0) held("unlink: %s", strerror(errno));
  make_changed(path.text);
  check_changed(path.text);
}
