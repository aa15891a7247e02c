// escape: hides the stranger in the last of 1024 messages of sendmmsg, the most that the kernel takes at once
// group: alternative calls
// policy: network
#include "escape.h"

static void attack(void) {
  static struct sockaddr_in first, last;
  static struct mmsghdr messages[1024];
  struct iovec part = {"x", 1};
  first = the_friend();
  last = stranger();
  for (int i = 0; i < 1024; i++) {
    messages[i].msg_hdr = (struct msghdr){.msg_name = i < 1023 ? &first : &last,
                                          .msg_namelen = sizeof first,
                                          .msg_iov = &part,
                                          .msg_iovlen = 1};
  }
  const int fd = udp(AF_INET);
  // More than once, for a call may be cut short.
  for (int sent = 0; sent < 1024;) {
    const int more_sent = sendmmsg(fd, messages + sent, 1024 - (unsigned)sent, 0);
    if (more_sent <= 0) held("after %d: %s", sent, strerror(errno));
    sent += more_sent;
  }
}
