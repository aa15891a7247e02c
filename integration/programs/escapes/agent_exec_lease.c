// escape: 64 processes execute a file with a lease, whose opener waits for that; then what is forbidden
// group: the agent itself
// policy: exec-script
#include "escape.h"

static void attack(void) {
  write_script("/tmp/script", "#!" GOOD "\n");
  const int script = open("/tmp/script", O_RDWR | O_CLOEXEC);
  signal(SIGIO, SIG_IGN);
  if (fcntl(script, F_SETLEASE, F_WRLCK) < 0) broken("lease");
  for (int i = 0; i < 64; i++) {
    if (!beside()) continue;
    close(kMarkerFd);
    run("/tmp/script");
    pause();
  }
  usleep(300000);
  if (in_child()) {
    run(forbidden());
    _exit(1);
  }
}
