// escape: another process writes the file whose mapping holds the path
// group: argument races
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  const int file = memfd_with("/tmp/a", 7);
  const char* path = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
  if (path == MAP_FAILED) broken("mmap");
  if (beside()) {
    for (int i = 0;; i = !i) pwrite(file, i ? "a" : "b", 1, 5);
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
