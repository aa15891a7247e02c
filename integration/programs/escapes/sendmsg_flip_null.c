// escape: flips msg_name of a connected socket between NULL and the stranger's address
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in first, second;
  static struct iovec part = {"x", 1};
  static struct msghdr message;
  static void *none = NULL, *to_second = &second;
  first = the_friend();
  second = stranger();
  message = (struct msghdr){.msg_namelen = sizeof second, .msg_iov = &part, .msg_iovlen = 1};
  static struct flip flip = {&message.msg_name, &none, &to_second, sizeof none};
  thread(flip_for_ever, &flip);
  const int fd = udp(AF_INET);
  if (connect(fd, ADDRESS(first)) < 0) broken("connect");
  while (more()) syscall(SYS_sendmsg, fd, &message, 0);
}
