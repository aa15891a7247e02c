// escape: gives the file another name, in a folder that may be read
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  if (link(in(SHUT, "file").text, "/srv/open/link") < 0) held("link: %s", strerror(errno));
  try_to_read("/srv/open/link");
  held("%s", strerror(errno));
}
