// escape: makes the range the kernel chooses ports from so narrow that it chooses the forbidden one
// group: alternative calls
// policy: network
// neighbour: bind_port --neighbour
#include "escape.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

// Within the range that the whole network chooses from.
enum { kForbidden = 40000 };

static void attack(void) {
  struct sockaddr_in to = the_friend();
  const uint32_t range = kForbidden << 16 | kForbidden;
  const int fd = tcp(AF_INET);
  if (setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range) < 0) {
    held("IP_LOCAL_PORT_RANGE: %s", strerror(errno));
  }
  if (connect(fd, ADDRESS(to)) < 0) broken("connect");
  if (local_port(fd) == kForbidden) escaped("bound to port %d", kForbidden);
}
