// escape: another process changes a pointer of argv in memory that both share
// group: argument races
// policy: exec-argv
// attempts: 1500
#include "escape.h"

static void attack(void) {
  char** arguments = shared_memory(4096);
  char* first = "good";
  char* second = is_neighbour ? "good" : "forbidden";
  arguments[0] = "mark";
  arguments[1] = first;
  if (beside()) {
    struct flip flip = {&arguments[1], &first, &second, sizeof first};
    flip_for_ever(&flip);
  }
  while (more()) {
    if (!in_child()) continue;
    execve(GOOD_FOLDER "/mark", arguments, no_environment);
    _exit(1);
  }
}
