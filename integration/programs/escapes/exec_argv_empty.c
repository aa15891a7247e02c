// escape: hides the forbidden argument behind an empty one
// group: names and addresses
// policy: exec-argv
#include "escape.h"

static void attack(void) {
  char* arguments[] = {"mark", is_neighbour ? "good" : "", is_neighbour ? NULL : "forbidden", NULL};
  execve(GOOD_FOLDER "/mark", arguments, no_environment);
  held("execve: %s", strerror(errno));
}
