// escape: has binfmt_misc of its own user namespace start the forbidden program whenever a script is executed
// group: namespaces
// policy: exec-script
// neighbour: exec_plain --neighbour
// capabilities: CAP_SETFCAP
#include <sys/mount.h>

#include "escape.h"

static void attack(void) {
  char rule[200];
  write_script("/tmp/script", "MAGIC of a kind\n");
  become_root_of_namespaces(CLONE_NEWNS);
  if (mkdir("/tmp/binfmt", 0755) < 0) broken("mkdir");
  if (mount("binfmt_misc", "/tmp/binfmt", "binfmt_misc", 0, NULL) < 0) {
    if (errno == ENODEV) skipped("no binfmt_misc: %s", strerror(errno));
    held("mount: %s", strerror(errno));
  }
  snprintf(rule, sizeof rule, ":escape:M::MAGIC::%s:F", forbidden());
  write_file("/tmp/binfmt/register", rule);
  run("/tmp/script");
  held("execve: %s", strerror(errno));
}
