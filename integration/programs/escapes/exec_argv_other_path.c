// escape: gives the argument to the allowed program by another form of its path
// group: names and addresses
// policy: exec-argv
#include "escape.h"

static void attack(void) {
  char* arguments[] = {"mark", is_neighbour ? "good" : "forbidden", NULL};
  execve(GOOD_FOLDER "/../good/mark", arguments, no_environment);
  held("execve: %s", strerror(errno));
}
