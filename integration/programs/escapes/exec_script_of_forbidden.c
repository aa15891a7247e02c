// escape: an allowed script names a forbidden interpreter
// group: alternative calls
// policy: exec-script
#include "escape.h"

static void attack(void) {
  char text[100];
  snprintf(text, sizeof text, "#! %s  with arguments\n", forbidden());
  write_script("/tmp/script", text);
  run("/tmp/script");
  held("execve: %s", strerror(errno));
}
