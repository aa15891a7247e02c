// escape: is stopped and continued all the time (SIGSTOP, SIGCONT), while the address changes
// group: signals
// policy: network
// attempts: 5000
#include "escape.h"

static void attack(void) {
  struct sockaddr_in first = the_friend(), second = stranger();
  struct sockaddr_in* address = shared_memory(sizeof *address);
  *address = first;
  if (beside()) {
    struct flip flip = {&address->sin_addr, &first.sin_addr, &second.sin_addr, 4};
    flip_for_ever(&flip);
  }
  const pid_t caller = getpid();
  if (beside()) {
    for (;;) {
      kill(caller, SIGSTOP);
      kill(caller, SIGCONT);
      usleep(200);
    }
  }
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, ADDRESS(*address));
    close(fd);
  }
}
