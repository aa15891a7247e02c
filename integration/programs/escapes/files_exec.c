// escape: executes a program that may only be read
// group: programs
// policy: files
#include "files.h"

static void attack(void) {
  run(forbidden());
  held("%s", strerror(errno));
}
