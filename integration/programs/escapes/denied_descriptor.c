// escape: reads below a descriptor of the folder in front (O_PATH)
// group: denied files
// policy: files-deny
// capabilities: CAP_DAC_OVERRIDE
#include "files.h"

static void attack(void) {
  const int folder = open("/srv/half", O_PATH | O_DIRECTORY | O_CLOEXEC);
  try_to_read_at(folder, SECRET);
  const int file = openat(folder, SECRET, O_PATH | O_CLOEXEC);
  try_to_read(descriptor_path(file).text);
  held("%s", strerror(errno));
}
