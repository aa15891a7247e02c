// escape: another process takes a copy of the socket by pidfd_getfd and connects that
// group: descriptor tricks
// policy: network
// neighbour: connect_tcp --neighbour
// attempts: 5000
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger(), allowed = the_friend();
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  const int fd = udp(AF_INET);
  const pid_t owner = getpid();
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  if (beside()) {
    const int handle = (int)syscall(SYS_pidfd_open, owner, 0);
    for (;;) {
      const int copy = (int)syscall(SYS_pidfd_getfd, handle, fd, 0);
      if (copy < 0) _exit(0);
      if (connect(copy, ADDRESS(to)) == 0) send(copy, "x", 1, 0);
      close(copy);
    }
  }
  while (more()) {
    connect(fd, ADDRESS(allowed));
    connect(fd, &nobody, sizeof nobody);
  }
}
