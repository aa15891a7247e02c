// escape: another process changes the path in shared memory while connect is looked at
// group: argument races
// policy: unix
// attempts: 3000
#include "unix.h"

static void attack(void) {
  struct name* name = shared_memory(sizeof *name);
  serve_all(SOCK_STREAM);
  *name = named(GOOD_SOCKET);
  struct flip flip = {name->address.sun_path + kLettersAt, "good", evil() + kLettersAt, kLetters};
  if (beside()) flip_for_ever(&flip);
  while (more()) {
    const int fd = unix_socket(SOCK_STREAM);
    connect(fd, NAME(*name));
    arrived();
    close(fd);
  }
}
