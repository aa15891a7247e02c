// mptcp_deferred FRIEND STRANGER PORT: listens everywhere, and makes a multipath TCP socket whose connect to
// FRIEND is put off until something is sent (TCP_FASTOPEN_CONNECT). It takes that back and sends to STRANGER,
// which connects there without connect(2).
#include <netinet/tcp.h>
#include <poll.h>

#include "probe.h"

#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

int main(int argc, char** argv) {
  if (argc != 4) usage("FRIEND STRANGER PORT");
  const struct address everywhere = parse_address("0.0.0.0", argv[3]);
  const struct address friend = parse_address(argv[1], argv[3]);
  const struct address stranger = parse_address(argv[2], argv[3]);
  const int listener = listen_at(&everywhere, SOCK_STREAM, 8);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_MPTCP);
  if (fd < 0) broken("socket");

  const int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) < 0) return report("setsockopt", -1);
  if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof on) < 0) broken("no cookie");
  if (connect(fd, &friend.any, friend.length) < 0) return report("connect", -1);
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  if (connect(fd, &nobody, sizeof nobody) < 0) return report("disconnect", -1);
  if (sendto(fd, "x", 1, MSG_NOSIGNAL, &stranger.any, stranger.length) < 0) return report("sendto", -1);

  struct pollfd waiting = {.fd = listener, .events = POLLIN};
  if (poll(&waiting, 1, 10000) != 1) broken("nobody came");
  const int accepted = accept(listener, NULL, NULL);
  struct address at = {.length = sizeof at};
  if (getsockname(accepted, &at.any, &at.length) < 0) broken("getsockname");
  if (at.v4.sin_addr.s_addr != stranger.v4.sin_addr.s_addr) broken("connected to another");
  return report("connected to the stranger", 0);
}
