// escape: executes an allowed script whose interpreter may only be read
// group: programs
// policy: files
#include "files.h"

static void attack(void) {
  char text[100];
  snprintf(text, sizeof text, "#!%s\n", forbidden());
  write_script("/srv/programs/script", text);
  run("/srv/programs/script");
  held("%s", strerror(errno));
}
