// escape: makes a folder of a denied name, where there was nothing, and a file in it
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  const char* const folder = is_neighbour ? "/srv/new" : "/srv/absent";
  mkdir(folder, 0755);
  const struct path path = in(folder, "file");
  const int file = open(path.text, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) held("%s", strerror(errno));
  if (write(file, "changed\n", 8) != 8) broken("write");
  check_changed(path.text);
}
