// escape: another thread changes the second message's address while sendmmsg is looked at
// group: argument races
// policy: network
// attempts: 20000
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in address, first, second;
  first = address = the_friend();
  second = stranger();
  static struct flip flip = {&address.sin_addr, &first.sin_addr, &second.sin_addr, 4};
  struct iovec part = {"x", 1};
  struct mmsghdr messages[2] = {0};
  for (int i = 0; i < 2; i++) {
    messages[i].msg_hdr = (struct msghdr){.msg_name = i == 0 ? &first : &address,
                                          .msg_namelen = sizeof address,
                                          .msg_iov = &part,
                                          .msg_iovlen = 1};
  }
  thread(flip_for_ever, &flip);
  const int fd = udp(AF_INET);
  while (more()) sendmmsg(fd, messages, 2, 0);
}
