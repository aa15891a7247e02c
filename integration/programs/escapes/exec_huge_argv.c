// escape: 16 processes have the agent read 1 MiB of arguments each, all the time; then the forbidden program
// group: the agent itself
// policy: exec-argv
// attempts: 1000
#include "escape.h"

static void attack(void) {
  static char* arguments[9 + 1];
  static char large[120000];
  memset(large, 'x', sizeof large - 1);
  arguments[0] = "mark";
  for (int i = 1; i < 9; i++) arguments[i] = large;
  for (int i = 0; i < 16; i++) {
    if (!beside()) continue;
    for (;;) {
      if (!in_child()) continue;
      close(kMarkerFd);  // without the policy it runs
      execve(GOOD_FOLDER "/mark", arguments, no_environment);
      _exit(1);
    }
  }
  while (more()) {
    if (!in_child()) continue;
    char* asked[] = {"mark", is_neighbour ? "good" : "forbidden", NULL};
    execve(GOOD_FOLDER "/mark", asked, no_environment);
    _exit(1);
  }
}
