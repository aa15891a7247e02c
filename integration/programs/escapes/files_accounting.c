// escape: has the kernel write to a file that may only be read, by process accounting
// group: the kernel writes
// policy: files
// rootless: acct(2) takes CAP_SYS_PACCT over the host
// capabilities: CAP_SYS_PACCT
#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "file");
  struct stat status;
  off_t size = 0;
  if (stat(path.text, &status) == 0) size = status.st_size;
  if (acct(path.text) < 0) held("acct: %s", strerror(errno));
  while (more()) {
    if (in_child()) _exit(0);
    if (stat(path.text, &status) == 0 && status.st_size > size) escaped("the kernel wrote to it");
  }
}
