// escape: makes a file through a link to what is not there yet
// group: file contents
// policy: files
#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "new");
  if (symlink(path.text, "/srv/open/link") < 0) broken("symlink");
  if (open("/srv/open/link", O_WRONLY | O_CREAT | O_CLOEXEC, 0644) < 0) held("%s", strerror(errno));
  check_made(path.text);
}
