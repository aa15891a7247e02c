// escape: moves a file of its own over a denied one
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  const struct path path = in("/srv/half", SECRET);
  make_changed("/srv/half/own");
  if (rename("/srv/half/own", path.text) < 0) held("rename: %s", strerror(errno));
  check_changed(path.text);
}
