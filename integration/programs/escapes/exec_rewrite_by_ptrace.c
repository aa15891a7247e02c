// escape: rewrites an argument of the allowed program while that runs, as its tracer
// group: descriptor tricks
// policy: exec-argv
// neighbour: exec_argv_more --neighbour
#include "rewrite.h"

static void attack(void) {
  int go, status;
  unsigned long argument;
  const pid_t child = start_waiting(&go, &argument);
  char other[16] = "forbidden";
  if (ptrace(PTRACE_ATTACH, child, 0, 0) < 0) held("PTRACE_ATTACH: %s", strerror(errno));
  waitpid(child, &status, 0);
  for (int i = 0; i < 16; i += 8) {
    long word;
    memcpy(&word, other + i, sizeof word);
    if (ptrace(PTRACE_POKEDATA, child, argument + (unsigned long)i, word) < 0)
      held("PTRACE_POKEDATA: %s", strerror(errno));
  }
  ptrace(PTRACE_DETACH, child, 0, 0);
  let_go(child, go);
}
