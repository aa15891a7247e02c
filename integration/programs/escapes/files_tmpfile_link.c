// escape: gives a file that never had a name (O_TMPFILE) one in a folder that may only be read
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "new");
  const int file = open("/srv/open", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0) broken("O_TMPFILE");
  if (linkat(AT_FDCWD, descriptor_path(file).text, AT_FDCWD, path.text, AT_SYMLINK_FOLLOW) < 0)
    held("linkat: %s", strerror(errno));
  check_made(path.text);
}
