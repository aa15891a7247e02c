// escape: exchanges the folder for one that may be read (RENAME_EXCHANGE)
// group: file moves
// policy: files
#include "files.h"

static void attack(void) {
  const char* const other = is_neighbour ? "/srv/open/other" : "/srv/shut";
  const char* const allowed = is_neighbour ? "/srv/open/folder" : "/srv/open";
  if (is_neighbour && (mkdir(other, 0755) < 0 || link("/srv/open/file", in(other, "file").text) < 0))
    broken(other);
  if (renameat2(AT_FDCWD, other, AT_FDCWD, allowed, RENAME_EXCHANGE) < 0)
    held("renameat2: %s", strerror(errno));
  try_to_read(in(allowed, "file").text);
  held("%s", strerror(errno));
}
