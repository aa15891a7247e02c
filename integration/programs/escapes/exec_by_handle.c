// escape: opens the forbidden program by its file handle and executes that
// group: alternative calls
// policy: exec
// rootless: open_by_handle_at(2) takes CAP_DAC_READ_SEARCH over the host
// neighbour: exec_plain --neighbour
// capabilities: CAP_DAC_READ_SEARCH
#include "escape.h"

static void attack(void) {
  union {
    struct file_handle handle;
    char bytes[sizeof(struct file_handle) + 128];
  } file = {.handle = {.handle_bytes = 128}};
  int mount_id;
  if (name_to_handle_at(AT_FDCWD, forbidden(), &file.handle, &mount_id, 0) < 0)
    held("handle: %s", strerror(errno));
  const int fd = open_by_handle_at(open("/", O_RDONLY), &file.handle, O_RDONLY);
  if (fd < 0) held("open_by_handle_at: %s", strerror(errno));
  run_at(fd, "", AT_EMPTY_PATH);
  held("execveat: %s", strerror(errno));
}
