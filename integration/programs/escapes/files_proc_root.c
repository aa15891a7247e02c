// escape: reads through another process's /proc/PID/root
// group: file names
// policy: files
#include "files.h"

static void attack(void) {
  try_to_read(in(in("/proc/1/root", SHUT).text, "file").text);
  held("%s", strerror(errno));
}
