// escape: is taken out of execve by a timer all the time, whose handler changes the path
// group: signals
// policy: exec
// attempts: 2000
#include "escape.h"

static char* path;

static void swap(int signal) {
  (void)signal;
  path[5] = path[5] == 'a' ? 'b' : 'a';
}

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  while (more()) {
    if (!in_child()) continue;
    const struct sigaction action = {.sa_handler = swap, .sa_flags = SA_RESTART};
    // Of the signals that a program may get without a handler, and from a timer that ends with the execve.
    sigaction(SIGURG, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG};
    const struct itimerspec often = {{0, 100000}, {0, 100000}};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0) broken("timer_create");
    timer_settime(timer, 0, &often, NULL);
    unsigned seed = (unsigned)shared->attempts;
    for (int i = rand_r(&seed) % 500; i > 0; i--) moment(&seed);
    for (int i = 0; i < 10; i++) run(path);
    _exit(1);
  }
}
