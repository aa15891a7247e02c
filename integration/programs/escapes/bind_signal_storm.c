// escape: is taken out of bind by signals all the time, while the port changes
// group: signals
// policy: network
// attempts: 5000
#include "escape.h"

static void nothing(int signal) { (void)signal; }

static void attack(void) {
  static struct sockaddr_in address;
  static in_port_t first, second;
  address = ipv4("127.0.0.3", kAllowedPort + 1);
  first = address.sin_port;
  second = htons((in_port_t)forbidden_port());
  static struct flip flip = {&address.sin_port, &first, &second, sizeof first};
  thread(flip_for_ever, &flip);
  struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, 300}, {0, 300}};
  setitimer(ITIMER_REAL, &often, NULL);
  while (more()) {
    const int fd = tcp(AF_INET);
    bind(fd, ADDRESS(address));
    check_bound(fd);
    close(fd);
  }
}
