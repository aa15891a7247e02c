// escape: reads through another process's /proc/PID/root
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  try_to_read(in("/proc/1/root/srv/half", SECRET).text);
  held("%s", strerror(errno));
}
