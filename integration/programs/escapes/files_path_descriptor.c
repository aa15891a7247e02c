// escape: opens the file without a right (O_PATH), and opens that once more for reading
// group: file descriptors
// policy: files
#include "files.h"

static void attack(void) {
  const int file = open(in(SHUT, "file").text, O_PATH | O_CLOEXEC);
  if (file < 0) held("O_PATH: %s", strerror(errno));
  try_to_read(descriptor_path(file).text);
  held("%s", strerror(errno));
}
