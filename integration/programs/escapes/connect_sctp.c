// escape: connects over SCTP
// group: alternative calls
// policy: network
// neighbour: connect_tcp --neighbour
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  to.sin_port = htons(kAllowedPort);
  const int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (listener < 0 && errno == EPROTONOSUPPORT) skipped("no SCTP: %s", strerror(errno));
  const int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) held("socket: %s", strerror(errno));
  bound(listener, &to, sizeof to);
  if (listen(listener, 1) < 0) broken("listen");
  // As libsctp's sctp_connectx() does, without connect(2).
  if (setsockopt(fd, IPPROTO_SCTP, 110, &to, sizeof to) < 0) held("connectx: %s", strerror(errno));
  if (accept(listener, NULL, NULL) >= 0) escaped("the stranger was connected to");
}
