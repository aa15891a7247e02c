// escape: another thread changes where the name of a sendmsg lies
// group: argument races
// policy: unix
// attempts: 3000
#include "unix.h"

static void attack(void) {
  static struct name first, second;
  static struct iovec part = {"x", 1};
  static struct msghdr message;
  static void* places[2];
  static struct flip flip;
  serve_all(SOCK_DGRAM);
  first = named(GOOD_SOCKET);
  second = named(evil());
  message = (struct msghdr){&first.address, first.length, &part, 1, NULL, 0, 0};
  places[0] = &first.address;
  places[1] = &second.address;
  flip = (struct flip){&message.msg_name, &places[0], &places[1], sizeof places[0]};
  thread(flip_for_ever, &flip);
  const int fd = unix_socket(SOCK_DGRAM);
  while (more()) {
    sendmsg(fd, &message, MSG_DONTWAIT);
    arrived();
  }
}
