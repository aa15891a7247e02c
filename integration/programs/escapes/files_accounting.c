// escape: has the kernel write to a file that may only be read, by process accounting
// group: the kernel writes
// policy: files
// neighbour: files_write --neighbour
// rootless: acct(2) takes CAP_SYS_PACCT over the host
// capabilities: CAP_SYS_PACCT
#include "files.h"

static void attack(void) {
  static const char kPath[] = "/srv/readable/file";
  struct stat status;
  off_t size = 0;
  if (stat(kPath, &status) == 0) size = status.st_size;
  if (acct(kPath) < 0) held("acct: %s", strerror(errno));
  while (more()) {
    if (in_child()) _exit(0);
    if (stat(kPath, &status) == 0 && status.st_size > size) escaped("the kernel wrote to it");
  }
}
