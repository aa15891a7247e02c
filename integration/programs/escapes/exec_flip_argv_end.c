// escape: another process moves the end of argv, so that one argument more is there or not
// group: argument races
// policy: exec-argv
// attempts: 1500
#include "escape.h"

static void attack(void) {
  char** arguments = shared_memory(4096);
  char* first = NULL;
  char* second = is_neighbour ? NULL : "forbidden";
  arguments[0] = "mark";
  arguments[1] = "good";
  if (beside()) {
    struct flip flip = {&arguments[2], &first, &second, sizeof first};
    flip_for_ever(&flip);
  }
  while (more()) {
    if (!in_child()) continue;
    execve(GOOD_FOLDER "/mark", arguments, no_environment);
    _exit(1);
  }
}
