// escape: is killed while it connects, and its numbers are taken by new processes at once
// group: processes
// policy: network
// attempts: 3000
#include "escape.h"

static void attack(void) {
  struct sockaddr_in first = the_friend(), second = stranger();
  // Both have the same number of the descriptor, and the same place in memory, with another address there.
  static struct sockaddr_in address;
  const int fd = tcp(AF_INET);
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  unsigned seed = 1;
  while (more()) {
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
      children[i] = fork();
      if (children[i] != 0) continue;
      address = i % 2 == 0 ? first : second;
      for (;;) {
        connect(fd, ADDRESS(address));
        connect(fd, ADDRESS(nobody));
      }
    }
    usleep((useconds_t)rand_r(&seed) % 300);
    for (int i = 0; i < 4; i++) kill(children[i], SIGKILL);
    for (int i = 0; i < 4; i++) waitpid(children[i], NULL, 0);
  }
}
