// escape: connects in a vfork child while a thread of its waiting parent changes the address
// group: argument races
// policy: network
// attempts: 10000
#include "escape.h"

static struct sockaddr_in address, first, second;

static void attack(void) {
  first = address = the_friend();
  second = stranger();
  static struct flip flip = {&address.sin_addr, &first.sin_addr, &second.sin_addr, 4};
  thread(flip_for_ever, &flip);
  while (more()) {
    const int fd = tcp(AF_INET);
    const pid_t child = vfork();
    if (child == 0) {
      syscall(SYS_connect, fd, &address, sizeof address);
      _exit(0);
    }
    waitpid(child, NULL, 0);
    close(fd);
  }
}
