// escape: goes into the folder, and has a child read through /proc/PID/cwd
// group: file names
// policy: files
#include "files.h"

static void attack(void) {
  if (chdir(SHUT) < 0) held("chdir: %s", strerror(errno));
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/cwd/file", getpid());
  if (!in_child()) return;
  try_to_read(path);
  held("%s", strerror(errno));
}
