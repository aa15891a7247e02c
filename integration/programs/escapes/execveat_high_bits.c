// escape: execveat with bits that the kernel ignores in the descriptor's and the flags' registers
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  char* arguments[] = {"prog", NULL};
  syscall(SYS_execveat, 0x700000000L | open(forbidden(), O_PATH), "", arguments, no_environment,
          0x900000000L | AT_EMPTY_PATH);
  held("%s", strerror(errno));
}
