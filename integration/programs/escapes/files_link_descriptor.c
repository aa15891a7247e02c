// escape: the same by a descriptor of the file, through /proc/self/fd
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  const int file = open(in(SHUT, "file").text, O_PATH | O_CLOEXEC);
  if (linkat(AT_FDCWD, descriptor_path(file).text, AT_FDCWD, "/srv/open/link", AT_SYMLINK_FOLLOW) < 0)
    held("linkat: %s", strerror(errno));
  try_to_read("/srv/open/link");
  held("%s", strerror(errno));
}
