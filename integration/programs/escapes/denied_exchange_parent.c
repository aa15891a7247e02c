// escape: exchanges the folder that a denied file is in for another (RENAME_EXCHANGE)
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  if (renameat2(AT_FDCWD, "/srv/half", AT_FDCWD, "/srv/readable", RENAME_EXCHANGE) < 0) broken("renameat2");
  try_to_read(in("/srv/readable", SECRET).text);
  held("%s", strerror(errno));
}
