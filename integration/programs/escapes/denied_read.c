// escape: reads a file below a folder that is denied
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  try_to_read(in(SHUT, "file").text);
  held("%s", strerror(errno));
}
