// escape: becomes the listener of its own filter, and lets every execve run
// group: filters of its own
// policy: exec
// neighbour: exec_plain --neighbour
#include "filter.h"

static void attack(void) {
  const int listener = filter(SYS_execve, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
  const int error = errno;
  if (beside()) {
    run(forbidden());
    held("seccomp: %s, execve: %s", listener < 0 ? strerror(error) : "ok", strerror(errno));
  }
  if (listener >= 0) {
    struct seccomp_notif call = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) broken("NOTIF_RECV");
    struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  wait(NULL);
}
