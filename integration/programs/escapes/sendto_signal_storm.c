// escape: is taken out of sendto by signals all the time, while the address changes
// group: signals
// policy: network
// attempts: 10000
#include "escape.h"

static void nothing(int signal) { (void)signal; }

static void attack(void) {
  static struct sockaddr_in address, first, second;
  first = address = the_friend();
  second = stranger();
  static struct flip flip = {&address.sin_addr, &first.sin_addr, &second.sin_addr, 4};
  thread(flip_for_ever, &flip);
  const struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, 300}, {0, 300}};
  setitimer(ITIMER_REAL, &often, NULL);
  const int fd = udp(AF_INET);
  while (more()) sendto(fd, "x", 1, 0, ADDRESS(address));
}
