// escape: an allowed script's interpreter is a relative path, from a forbidden working folder
// group: alternative calls
// policy: exec-script
#include "escape.h"

static void attack(void) {
  write_script("/tmp/script", "#!prog\n");
  if (chdir(forbidden_folder()) < 0) broken("chdir");
  run("/tmp/script");
  held("execve: %s", strerror(errno));
}
