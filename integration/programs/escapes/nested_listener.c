// escape: becomes the listener of its own filter, and lets every connect run
// group: filters of its own
// policy: network
// neighbour: nested_allow --neighbour
#include "filter.h"

static void attack(void) {
  struct sockaddr_in to = stranger();
  const int listener = filter(SYS_connect, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
  const int error = errno;
  if (beside()) {
    if (connect(tcp(AF_INET), ADDRESS(to)) < 0) {
      held("seccomp: %s, connect: %s", listener < 0 ? strerror(error) : "ok", strerror(errno));
    }
    _exit(0);
  }
  if (listener >= 0) {
    struct seccomp_notif call = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) broken("NOTIF_RECV");
    struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  wait(NULL);
}
