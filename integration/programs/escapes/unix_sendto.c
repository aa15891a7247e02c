// escape: sends datagrams to a Unix socket that no rule allows, by every call
// group: names and addresses
// policy: unix
#include "unix.h"

static void attack(void) {
  serve_all(SOCK_DGRAM);
  const char* const names[] = {evil(), abstract_evil()};
  for (int i = 0; i < 2; i++) {
    struct name name = named(names[i]);
    const int fd = unix_socket(SOCK_DGRAM);
    struct iovec part = {"x", 1};
    struct mmsghdr message = {.msg_hdr = {&name.address, name.length, &part, 1, NULL, 0, 0}};
    send_once(name);
    sendmsg(fd, &message.msg_hdr, 0);
    arrived();
    sendmmsg(fd, &message, 1, 0);
    arrived();
    connect(fd, NAME(name));
    send(fd, "x", 1, 0);
    arrived();
  }
}
