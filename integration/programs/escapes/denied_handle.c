// escape: opens the folder in front by its handle, in the root's mount, where nothing covers what is in it
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// rootless: open_by_handle_at(2) takes CAP_DAC_READ_SEARCH over the host
// capabilities: CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH
#include "files.h"

static void attack(void) {
  union {
    struct file_handle handle;
    char bytes[sizeof(struct file_handle) + 128];
  } folder = {.handle = {.handle_bytes = 128}};
  int mount_id;
  if (name_to_handle_at(AT_FDCWD, "/srv/half", &folder.handle, &mount_id, 0) < 0) broken("handle");
  const int opened =
      open_by_handle_at(open("/escapes", O_RDONLY | O_CLOEXEC), &folder.handle, O_RDONLY | O_CLOEXEC);
  if (opened < 0) held("open_by_handle_at: %s", strerror(errno));
  try_to_read_at(opened, "secret");
  held("%s", strerror(errno));
}
