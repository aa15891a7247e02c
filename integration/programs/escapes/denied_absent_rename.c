// escape: moves a folder to a denied name, where there was nothing
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  const char* const folder = is_neighbour ? "/srv/new" : "/srv/absent";
  make_changed("/srv/open/folder/file");
  if (rename("/srv/open/folder", folder) < 0) held("rename: %s", strerror(errno));
  check_changed(in(folder, "file").text);
}
