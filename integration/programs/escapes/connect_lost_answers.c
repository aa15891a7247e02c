// escape: loses the answers to allowed connects by signals, then asks for the stranger
// group: signals
// policy: network
// attempts: 5000
#include "escape.h"

static void nothing(int signal) { (void)signal; }

static void attack(void) {
  struct sockaddr_in first = the_friend(), second = stranger();
  const struct sigaction action = {.sa_handler = nothing};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, 150}, {0, 150}};
  setitimer(ITIMER_REAL, &often, NULL);
  while (more()) {
    const int fd = udp(AF_INET);
    connect(fd, ADDRESS(first));
    if (connect(fd, ADDRESS(second)) == 0) {
      struct sockaddr_in peer;
      socklen_t length = sizeof peer;
      getpeername(fd, (struct sockaddr*)&peer, &length);
      send(fd, "x", 1, 0);
    }
    close(fd);
  }
}
