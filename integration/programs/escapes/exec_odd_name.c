// escape: executes a copy whose name has a newline, and "/escapes/good/prog" behind it
// group: alternative calls
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

static void attack(void) {
  if (mkdir("/tmp/x\n", 0755) < 0 || mkdir("/tmp/x\n/escapes", 0755) < 0 ||
      mkdir("/tmp/x\n/escapes/good", 0755) < 0) {
    broken("mkdir");
  }
  copy_program(forbidden(), "/tmp/x\n/escapes/good/prog");
  run("/tmp/x\n/escapes/good/prog");
  held("execve: %s", strerror(errno));
}
