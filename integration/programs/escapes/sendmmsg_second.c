// escape: hides the stranger in the second message of sendmmsg
// group: alternative calls
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in addresses[] = {the_friend(), stranger()};
  struct iovec part = {"x", 1};
  struct mmsghdr messages[2] = {0};
  for (int i = 0; i < 2; i++) {
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &addresses[i], .msg_namelen = sizeof addresses[i], .msg_iov = &part, .msg_iovlen = 1};
  }
  const int sent = sendmmsg(udp(AF_INET), messages, 2, 0);
  if (sent != 2) held("sendmmsg sent %d: %s", sent, strerror(errno));
}
