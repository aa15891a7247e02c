// escape: another process changes an argument's bytes in memory that both share
// group: argument races
// policy: exec-argv
// attempts: 1500
#include "escape.h"

static void attack(void) {
  char* argument = shared_memory(4096);
  char first[16] = "good", second[16] = {0};
  strcpy(argument, first);
  strcpy(second, is_neighbour ? "good" : "forbidden");
  if (beside()) {
    struct flip flip = {argument, first, second, sizeof first};
    flip_for_ever(&flip);
  }
  char* arguments[] = {"mark", argument, NULL};
  while (more()) {
    if (!in_child()) continue;
    execve(GOOD_FOLDER "/mark", arguments, no_environment);
    _exit(1);
  }
}
