// escape: makes a device file of its own, in a folder that may be written, for a device that no list names
// group: devices
// policy: files
// rootless: mknod(2) takes CAP_MKNOD over the host
// capabilities: CAP_MKNOD
#include <sys/sysmacros.h>

#include "files.h"

static void attack(void) {
  // As /dev/zero. For the neighbour a file, of one zero.
  char byte = 'x';
  if (mknod("/srv/open/zero", (is_neighbour ? S_IFREG : S_IFCHR) | 0644, makedev(1, 5)) < 0)
    held("mknod: %s", strerror(errno));
  if (is_neighbour && truncate("/srv/open/zero", 1) < 0) broken("truncate");
  const int device = open("/srv/open/zero", O_RDONLY | O_CLOEXEC);
  if (device < 0 || read(device, &byte, 1) != 1) held("%s", strerror(errno));
  if (byte == '\0') escaped("the device was read");
}
