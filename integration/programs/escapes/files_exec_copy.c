// escape: executes a copy of a program that may only be read, in a folder that may be written
// group: programs
// policy: files
#include "files.h"

static void attack(void) {
  const char* const copy = is_neighbour ? "/srv/programs/copy" : "/srv/open/copy";
  copy_program(forbidden(), copy);
  run(copy);
  held("%s", strerror(errno));
}
