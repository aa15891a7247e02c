// escape: an open script is executed by its descriptor, and its interpreter is forbidden
// group: alternative calls
// policy: exec-script
#include "escape.h"

static void attack(void) {
  char text[100];
  snprintf(text, sizeof text, "#!%s\n", forbidden());
  write_script("/tmp/script", text);
  run_at(open("/tmp/script", O_RDONLY), "", AT_EMPTY_PATH);
  held("execveat: %s", strerror(errno));
}
