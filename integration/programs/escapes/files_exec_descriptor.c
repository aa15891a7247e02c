// escape: opens the program, which it may read, and executes the descriptor
// group: programs
// policy: files
#include "files.h"

static void attack(void) {
  const int program = open(forbidden(), O_RDONLY | O_CLOEXEC);
  if (program < 0) broken("open");
  run_at(program, "", AT_EMPTY_PATH);
  held("%s", strerror(errno));
}
