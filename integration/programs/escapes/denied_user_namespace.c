// escape: does so in a user namespace and a mount namespace of its own
// group: covers
// policy: files-deny
// neighbour: denied_read --neighbour
// capabilities: CAP_DAC_OVERRIDE CAP_SETFCAP
#include <sys/mount.h>

#include "files.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWNS);
  if (mount("/srv", "/tmp", NULL, MS_BIND, NULL) < 0) held("mount: %s", strerror(errno));
  try_to_read("/tmp/half/secret");
  held("%s", strerror(errno));
}
