// escape: kills and traces whatever process number there may be, then connects
// group: the agent itself
// policy: network
#include "escape.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  const pid_t self = getpid(), witness = getppid();
  for (pid_t pid = 1; pid < 70000; pid++) {
    if (pid == self || pid == witness) continue;
    if (!is_neighbour && ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) ptrace(PTRACE_KILL, pid, 0, 0);
    kill(pid, SIGKILL);
  }
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
}
