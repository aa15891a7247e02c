// escape: another thread changes the path while connect is looked at
// group: argument races
// policy: unix
// attempts: 3000
#include "unix.h"

static void attack(void) {
  static struct name name;
  static char letters[8];
  static struct flip flip;
  serve_all(SOCK_STREAM);
  name = named(GOOD_SOCKET);
  memcpy(letters, evil() + kLettersAt, kLetters);
  flip = (struct flip){name.address.sun_path + kLettersAt, "good", letters, kLetters};
  thread(flip_for_ever, &flip);
  while (more()) {
    const int fd = unix_socket(SOCK_STREAM);
    connect(fd, NAME(name));
    arrived();
    close(fd);
  }
}
