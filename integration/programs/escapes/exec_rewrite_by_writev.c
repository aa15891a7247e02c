// escape: rewrites an argument of the allowed program while that runs, by process_vm_writev
// group: descriptor tricks
// policy: exec-argv
// neighbour: exec_argv_more --neighbour
#include "rewrite.h"

static void attack(void) {
  int go;
  unsigned long argument;
  const pid_t child = start_waiting(&go, &argument);
  struct iovec from = {"forbidden", 10}, to = {(void*)argument, 10};
  if (process_vm_writev(child, &from, 1, &to, 1, 0) != 10) held("process_vm_writev: %s", strerror(errno));
  let_go(child, go);
}
