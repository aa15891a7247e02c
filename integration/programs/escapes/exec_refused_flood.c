// escape: 32 threads ask for forbidden programs all the time, and count on one that slips through
// group: the agent itself
// policy: exec
// attempts: 1500
#include "escape.h"

static void* ask(void* unused) {
  while (more()) run(forbidden());
  return unused;
}

static void attack(void) {
  for (int i = 0; i < 4; i++) {
    if (!beside()) continue;
    for (int k = 0; k < 7; k++) thread(ask, NULL);
    ask(NULL);
    _exit(0);
  }
  while (wait(NULL) > 0) {
  }
}
