// escape: opens the file by its handle
// group: file descriptors
// policy: files
// rootless: open_by_handle_at(2) takes CAP_DAC_READ_SEARCH over the host
// capabilities: CAP_DAC_READ_SEARCH
#include "files.h"

static void attack(void) {
  union {
    struct file_handle handle;
    char bytes[sizeof(struct file_handle) + 128];
  } file = {.handle = {.handle_bytes = 128}};
  int mount_id;
  if (name_to_handle_at(AT_FDCWD, in(SHUT, "file").text, &file.handle, &mount_id, 0) < 0)
    held("handle: %s", strerror(errno));
  look_into(open_by_handle_at(open("/srv/open", O_PATH | O_CLOEXEC), &file.handle, O_RDONLY));
  look_into(open_by_handle_at(open("/srv/open/file", O_RDONLY | O_CLOEXEC), &file.handle, O_RDONLY));
  held("open_by_handle_at: %s", strerror(errno));
}
