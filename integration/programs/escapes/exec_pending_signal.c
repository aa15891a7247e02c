// escape: is sent a signal in the middle of execve, whose handler changes the path
// group: signals
// policy: exec
// attempts: 2000
#include "escape.h"

static char* path;

static void swap(int signal) {
  (void)signal;
  path[5] = 'b';
}

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  path = shared_memory(4096);
  while (more()) {
    strcpy(path, "/tmp/a");
    if (!in_child()) continue;
    const struct sigaction action = {.sa_handler = swap, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    // Comes a moment later, in the middle of the call.
    const pid_t caller = getpid();
    if (beside()) {
      unsigned seed = (unsigned)shared->attempts;
      for (int wait = rand_r(&seed) % 200000; wait > 0; wait--) __asm__ volatile("" ::: "memory");
      kill(caller, SIGUSR1);
      _exit(0);
    }
    run(path);
    run(path);
    _exit(1);
  }
}
