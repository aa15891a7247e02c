// escape: exchanges two links while what they lead to is opened for writing
// group: path races
// policy: files
// neighbour: files_write --neighbour
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
  const struct path other = in(READABLE, "file");
  if (symlink("/srv/open/folder/file", "/srv/open/here") < 0 || symlink(other.text, "/srv/open/there") < 0)
    broken("symlink");
  thread(swap, NULL);
  while (more()) {
    const int file = open("/srv/open/here", O_WRONLY | O_CLOEXEC);
    if (file < 0) continue;
    if (write(file, "changed\n", 8) != 8) broken("write");
    close(file);
    check_changed(other.text);
  }
}
