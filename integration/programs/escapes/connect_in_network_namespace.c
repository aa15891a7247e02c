// escape: connects in a network namespace of its own, whose loopback it brings up
// group: namespaces
// policy: network
// neighbour: connect_tcp --neighbour
// capabilities: CAP_SETFCAP
#include <sys/ioctl.h>

#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  become_root_of_namespaces(CLONE_NEWNET);
  const int listener = tcp(AF_INET);
  struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  if (ioctl(listener, SIOCSIFFLAGS, &loopback) < 0) broken("lo");
  bound(listener, &to, sizeof to);
  if (listen(listener, 1) < 0) broken("listen");
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
  if (accept(listener, NULL, NULL) >= 0) escaped("the stranger was connected to");
}
