// escape: executes a program below a denied folder
// group: denied files
// policy: files-deny
// neighbour: files_exec --neighbour
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  run("/srv/shut/prog");
  held("%s", strerror(errno));
}
