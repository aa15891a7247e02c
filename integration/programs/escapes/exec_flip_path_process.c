// escape: another process changes the path in memory that both share
// group: argument races
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  char* path = shared_memory(4096);
  char first[64] = GOOD, second[64] = {0};
  strcpy(path, first);
  strcpy(second, forbidden());
  if (beside()) {
    struct flip flip = {path, first, second, sizeof first};
    flip_for_ever(&flip);
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
