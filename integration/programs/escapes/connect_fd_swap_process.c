// escape: a process that shares the descriptors, and nothing else, swaps the socket
// group: descriptor tricks
// policy: network-tcp
// attempts: 20000
#define STRANGER_TCP_ALLOWED
#include "escape.h"

enum { kNumber = 100 };

static void attack(void) {
  struct sockaddr_in to = stranger();
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  const int sockets[] = {tcp(AF_INET), udp(AF_INET)};
  dup2(sockets[0], kNumber);
  if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0) {
    unsigned seed = 1;
    for (int i = 0;; i = !i) {
      dup2(sockets[i], kNumber);
      moment(&seed);
    }
  }
  while (more()) {
    connect(kNumber, ADDRESS(to));
    send(sockets[1], "x", 1, MSG_NOSIGNAL);
    connect(sockets[1], &nobody, sizeof nobody);
    connect(sockets[0], &nobody, sizeof nobody);
  }
}
