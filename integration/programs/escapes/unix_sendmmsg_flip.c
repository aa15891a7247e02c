// escape: another thread changes the name that a sendmmsg has
// group: argument races
// policy: unix
// attempts: 3000
#include "unix.h"

static void attack(void) {
  static struct name name;
  static char letters[8];
  static struct flip flip;
  serve_all(SOCK_DGRAM);
  name = named(GOOD_SOCKET);
  memcpy(letters, evil() + kLettersAt, kLetters);
  flip = (struct flip){name.address.sun_path + kLettersAt, "good", letters, kLetters};
  thread(flip_for_ever, &flip);
  const int fd = unix_socket(SOCK_DGRAM);
  struct iovec part = {"x", 1};
  struct mmsghdr messages[2] = {{.msg_hdr = {&name.address, name.length, &part, 1, NULL, 0, 0}},
                                {.msg_hdr = {&name.address, name.length, &part, 1, NULL, 0, 0}}};
  while (more()) {
    sendmmsg(fd, messages, 2, MSG_DONTWAIT);
    arrived();
  }
}
