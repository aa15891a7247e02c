// escape: asks a device that may only be read for more than its bytes (ioctl)
// group: devices
// policy: files
#include <linux/random.h>
#include <sys/ioctl.h>

#include "files.h"

static void attack(void) {
  int bits;
  const int device = open(is_neighbour ? "/dev/urandom" : "/dev/random", O_RDONLY | O_CLOEXEC);
  if (device < 0) broken("open");
  if (ioctl(device, RNDGETENTCNT, &bits) < 0) held("ioctl: %s", strerror(errno));
  escaped("it has %d bits", bits);
}
