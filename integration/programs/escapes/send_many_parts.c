// escape: floods the agent with messages of 1024 parts and a mebibyte, then sends to the stranger
// group: the agent itself
// policy: network
// neighbour: sendto_udp --neighbour
// attempts: 3000
#include "escape.h"

static void* send_large(void* unused) {
  static char bytes[1024];
  struct iovec parts[1024];
  for (int i = 0; i < 1024; i++) parts[i] = (struct iovec){bytes, sizeof bytes};
  struct sockaddr_in to = the_friend();
  const struct msghdr message = {
      .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = parts, .msg_iovlen = 1024};
  const int fd = udp(AF_INET);
  for (;;) sendmsg(fd, &message, MSG_DONTWAIT);  // too large for UDP, which is found late
  return unused;
}

static void attack(void) {
  struct sockaddr_in to = stranger();
  for (int i = 0; i < 16; i++) thread(send_large, NULL);
  const int fd = udp(AF_INET);
  while (more()) sendto(fd, "x", 1, 0, ADDRESS(to));
}
