// escape: a tracer interrupts connect all the time and writes another address before it goes on
// group: signals
// policy: network
// neighbour: connect_tcp --neighbour
// attempts: 3000
#include "filter.h"

static struct sockaddr_in address, first, second;

static void attack(void) {
  address = first = the_friend();
  second = stranger();
  const pid_t child = fork();
  if (child == 0) {
    while (more()) {
      const int fd = tcp(AF_INET);
      connect(fd, ADDRESS(address));
      close(fd);
    }
    _exit(0);
  }
  if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL) < 0) held("PTRACE_SEIZE: %s", strerror(errno));
  for (bool to_second = true;; to_second = !to_second) {
    int status;
    ptrace(PTRACE_INTERRUPT, child, 0, 0);
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return;
    uint32_t host[2] = {(to_second ? second : first).sin_addr.s_addr, 0};
    long word;
    memcpy(&word, host, sizeof word);
    ptrace(PTRACE_POKEDATA, child, &address.sin_addr, word);
    ptrace(PTRACE_CONT, child, 0, 0);
    usleep(200);
  }
}
