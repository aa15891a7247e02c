// escape: hides the forbidden argument behind 100000 others
// group: names and addresses
// policy: exec-argv
#include "escape.h"

static void attack(void) {
  static char* arguments[100003];
  arguments[0] = "mark";
  for (int i = 1; i <= 100000; i++) arguments[i] = is_neighbour && i > 1 ? NULL : "good";
  arguments[100001] = is_neighbour ? NULL : "forbidden";
  execve(GOOD_FOLDER "/mark", arguments, no_environment);
  held("execve: %s", strerror(errno));
}
