// escape: connects to abstract names that begin like the allowed one, or have NULs in them
// group: names and addresses
// policy: unix
// neighbour: unix_connect --neighbour
#include "unix.h"

static void attack(void) {
  struct name inside = named_and("@good", 2), path = named(GOOD_SOCKET);
  inside.address.sun_path[6] = 'x';  // "good\0x"
  const struct name others[] = {inside, named_and("@good", 1), named("@goo"), named_and("@good", 102),
                                named_and("@", 0)};
  enum { kOthers = sizeof others / sizeof *others };
  for (int i = 0; i < kOthers; i++) {
    serve(others[i], SOCK_STREAM, true);
    connect_once(others[i]);
  }
  // A path that ends where the allowed one does only for who reads to the NUL.
  mkdir("/tmp/good", 0755);
  path.address.sun_path[0] = '\0';
  serve(path, SOCK_STREAM, true);
  connect_once(path);
}
