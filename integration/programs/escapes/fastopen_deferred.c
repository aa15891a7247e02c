// escape: puts a multipath connect to the friend off, takes it back, and sends to the stranger
// group: alternative calls
// policy: network
// neighbour: connect_tcp --neighbour
#include "escape.h"

#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static void attack(void) {
  struct sockaddr_in first = the_friend(), to = stranger();
  struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_MPTCP), on = 1;
  if (fd < 0) skipped("no multipath TCP: %s", strerror(errno));
  if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) < 0) {
    held("TCP_FASTOPEN_CONNECT: %s", strerror(errno));
  }
  setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof on);
  if (connect(fd, ADDRESS(first)) < 0 || connect(fd, ADDRESS(nobody)) < 0) broken("connect");
  if (sendto(fd, "x", 1, MSG_NOSIGNAL, ADDRESS(to)) < 0) held("sendto: %s", strerror(errno));
  usleep(100000);  // the connection is made after the call
}
