// escape: executes a copy that never had a name (O_TMPFILE)
// group: programs
// policy: files
#include "files.h"

static void attack(void) {
  const int copy = open(is_neighbour ? "/srv/programs" : "/srv/open", O_TMPFILE | O_RDWR, 0755);
  if (copy < 0) broken("O_TMPFILE");
  copy_into(copy, forbidden());
  // An open file for writing cannot be executed, so it is opened once more.
  const int again = open(descriptor_path(copy).text, O_RDONLY | O_CLOEXEC);
  close(copy);
  run_at(again, "", AT_EMPTY_PATH);
  held("%s", strerror(errno));
}
