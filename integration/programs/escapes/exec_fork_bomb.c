// escape: 64 processes execute all the time, allowed and forbidden programs in turn
// group: processes
// policy: exec
// attempts: 6000
#include "escape.h"

static void attack(void) {
  for (int i = 0; i < 64; i++) {
    if (!beside()) continue;
    while (more()) {
      if (!in_child()) continue;
      run(shared->attempts % 2 ? GOOD : forbidden());
      _exit(1);
    }
    _exit(0);
  }
  while (wait(NULL) > 0) {
  }
}
