// escape: executes as the first process of a pid namespace of its own
// group: namespaces
// policy: exec
// neighbour: exec_plain --neighbour
// capabilities: CAP_SETFCAP
#include "escape.h"

static void attack(void) {
  become_root_of_namespaces(CLONE_NEWPID);
  if (in_child()) {
    run(forbidden());
    _exit(1);
  }
}
