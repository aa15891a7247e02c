// escape: a script's first line is so long that the kernel cuts it, behind a path with many slashes
// group: alternative calls
// policy: exec-script
#include "escape.h"

static void attack(void) {
  char text[400] = "#!";
  memset(text + 2, '/', 180);
  strcpy(text + 182, forbidden());
  strcat(text, " ");
  memset(text + strlen(text), 'x', 300 - strlen(text));
  strcat(text, "\n");
  write_script("/tmp/script", text);
  run("/tmp/script");
  held("execve: %s", strerror(errno));
}
