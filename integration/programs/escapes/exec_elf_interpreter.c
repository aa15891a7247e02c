// escape: executes an allowed dynamic program from a root of its own, where ld.so is another program
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SYS_CHROOT
#include "escape.h"

static void attack(void) {
  // By its descriptor, from before: so it still is the file that is allowed.
  const int dynamic = open(GOOD_FOLDER "/dynamic", O_RDONLY);
  if (dynamic < 0 || mkdir("/tmp/lib64", 0755) < 0) broken("dynamic");
  copy_program(FORBIDDEN_FOLDER "/ld-linux-x86-64.so.2", "/tmp/lib64/ld-linux-x86-64.so.2");
  if (chroot("/tmp") < 0) held("chroot: %s", strerror(errno));
  run_at(dynamic, "", AT_EMPTY_PATH);
  held("execveat: %s", strerror(errno));
}
