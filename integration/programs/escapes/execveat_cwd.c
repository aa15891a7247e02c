// escape: executes by execveat relative to the working folder (AT_FDCWD)
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  if (chdir(forbidden_folder()) < 0) broken("chdir");
  run_at(AT_FDCWD, "prog", AT_SYMLINK_NOFOLLOW);
  held("%s", strerror(errno));
}
