// escape: exchanges a folder within the path for a link, while a file below it is opened
// group: path races
// policy: files
// neighbour: files_symlink --neighbour
// attempts: 20000
#include "files.h"

static void* swap(void* unused) {
  unsigned seed = 1;
  for (;;) {
    renameat2(AT_FDCWD, "/srv/open/here", AT_FDCWD, "/srv/open/there", RENAME_EXCHANGE);
    moment(&seed);
  }
  return unused;
}

static void attack(void) {
  if (mkdir("/srv/open/here", 0755) < 0 || symlink(SHUT, "/srv/open/there") < 0) broken("symlink");
  make_changed("/srv/open/here/file");
  thread(swap, NULL);
  while (more()) try_to_read("/srv/open/here/file");
}
