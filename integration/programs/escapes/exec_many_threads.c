// escape: 16 threads of one process execute at once, while one of them changes the path
// group: processes
// policy: exec
// attempts: 1500
#include "escape.h"

static char path[] = "/tmp/a";

static void* execute(void* unused) {
  for (int i = 0; i < 3; i++) run(path);
  return unused;
}

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  static struct flip flip = {path + 5, "a", "b", 1};
  while (more()) {
    if (!in_child()) continue;
    enum { kThreads = 16 };
    pthread_t threads[kThreads];
    int made = 0;
    thread(flip_for_ever, &flip);
    // One of them may execute, and so end the making, at any time.
    while (made < kThreads && pthread_create(&threads[made], NULL, execute, NULL) == 0) made++;
    for (int i = 0; i < made; i++) pthread_join(threads[i], NULL);
    _exit(1);
  }
}
