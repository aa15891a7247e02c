// escape: exchanges two links while connect is looked at
// group: path races
// policy: unix
// attempts: 3000
#include "unix.h"

static void* swap(void* unused) {
  unsigned seed = 1;
  for (;;) {
    renameat2(AT_FDCWD, "/tmp/way", AT_FDCWD, "/tmp/other", RENAME_EXCHANGE);
    moment(&seed);
  }
  return unused;
}

static void attack(void) {
  serve_all(SOCK_STREAM);
  if (symlink("/tmp/good", "/tmp/way") < 0 || symlink(is_neighbour ? "good" : "evil", "/tmp/other") < 0)
    broken("symlink");
  thread(swap, NULL);
  while (more()) connect_once(named("/tmp/way/socket"));
}
