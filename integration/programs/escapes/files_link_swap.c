// escape: exchanges two links while the file is opened
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
  if (symlink("/srv/readable/file", "/srv/open/here") < 0 ||
      symlink(in(SHUT, "file").text, "/srv/open/there") < 0)
    broken("symlink");
  thread(swap, NULL);
  while (more()) try_to_read("/srv/open/here");
}
