// escape: executes a copy that never had a name (O_TMPFILE)
// group: alternative calls
// policy: exec
// neighbour: exec_plain --neighbour
#include "escape.h"

static void attack(void) {
  const int copy = open("/tmp", O_TMPFILE | O_RDWR, 0755);
  char path[64];
  if (copy < 0) broken("O_TMPFILE");
  copy_into(copy, forbidden());
  // An open file for writing cannot be executed, so it is opened once more.
  snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
  const int again = open(path, O_RDONLY);
  close(copy);
  run_at(again, "", AT_EMPTY_PATH);
  held("%s", strerror(errno));
}
