// escape: the threads and the parent of who executes are killed meanwhile, and the path changes
// group: processes
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  if (beside()) {
    struct flip flip = {path + 5, "a", "b", 1};
    flip_for_ever(&flip);
  }
  unsigned seed = 1;
  while (more()) {
    const pid_t parent = fork();
    if (parent == 0) {
      for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
          run(path);
          _exit(1);
        }
      }
      run(path);
      _exit(1);
    }
    usleep((useconds_t)rand_r(&seed) % 500);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
  }
}
