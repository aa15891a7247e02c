// escape: 64 processes execute a FIFO, whose opener waits for a writer; then what is forbidden
// group: the agent itself
// policy: exec-script
#include "escape.h"

static void attack(void) {
  if (mkfifo("/tmp/script", 0755) < 0) broken("mkfifo");
  for (int i = 0; i < 64; i++) {
    if (!beside()) continue;
    run("/tmp/script");
    pause();
  }
  usleep(300000);
  run(forbidden());
  held("execve: %s", strerror(errno));
}
