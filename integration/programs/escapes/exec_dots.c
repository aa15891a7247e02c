// escape: goes by way of an allowed folder and back: /escapes/good/../forbidden/prog
// group: alternative calls
// policy: exec
#include "escape.h"

static void attack(void) {
  char path[200];
  snprintf(path, sizeof path, GOOD_FOLDER "/..//./good/../%s/prog", forbidden_folder() + strlen("/escapes"));
  run(path);
  held("%s", strerror(errno));
}
