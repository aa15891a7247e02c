// escape: an allowed script's interpreter is an allowed script, whose interpreter is forbidden
// group: alternative calls
// policy: exec-script
#include "escape.h"

static void attack(void) {
  char text[100];
  snprintf(text, sizeof text, "#!%s\n", forbidden());
  write_script("/tmp/second", text);
  write_script("/tmp/script", "#!/tmp/second\n");
  run("/tmp/script");
  held("execve: %s", strerror(errno));
}
