// escape: rewrites an argument of the allowed program while that runs, through /proc/PID/mem
// group: descriptor tricks
// policy: exec-argv
// neighbour: exec_argv_more --neighbour
#include "rewrite.h"

static void attack(void) {
  int go;
  unsigned long argument;
  const pid_t child = start_waiting(&go, &argument);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", child);
  const int memory = open(path, O_RDWR);
  const char* other = is_neighbour ? "good" : "forbidden";
  if (memory < 0 || pwrite(memory, other, strlen(other) + 1, (off_t)argument) < 0)
    held("%s: %s", path, strerror(errno));
  let_go(child, go);
}
