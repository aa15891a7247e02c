// share_calls flood FILE THREADS: makes refused calls without a pause, in so many threads, and counts them in
// FILE, where others see the count. Until it is killed.
//
// share_calls count FILE CALLS: makes so many refused calls, one after the other, while a flood that counts
// in FILE is under way, and prints how many calls the flood has made meanwhile.
//
// Both end with 1 when a call is not refused with EPERM.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>

static atomic_long* flood;

static void make_call(void) {
  if (personality(0xffffffff) == -1 && errno == EPERM) return;
  fprintf(stderr, "share_calls: a call is not refused\n");
  _exit(1);
}

static void* make_calls(void* none) {
  for (;;) {
    make_call();
    ++*flood;
  }
  return none;
}

// Until the flood has made some more.
static long wait_for_flood(void) {
  const struct timespec moment = {0, 1000000};
  const long enough = *flood + 100;
  while (*flood < enough) nanosleep(&moment, NULL);
  return *flood;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: share_calls flood|count FILE NUMBER\n");
    return 2;
  }
  const int fd = open(argv[2], O_RDWR | O_CLOEXEC);
  flood = mmap(NULL, sizeof *flood, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || flood == MAP_FAILED) {
    perror(argv[2]);
    return 1;
  }
  if (strcmp(argv[1], "flood") == 0) {
    for (int i = 1; i < atoi(argv[3]); ++i) {
      pthread_t thread;
      if (pthread_create(&thread, NULL, make_calls, NULL) != 0) return 1;
    }
    make_calls(NULL);
  }
  const long before = wait_for_flood();
  for (long i = 0; i < atol(argv[3]); ++i) make_call();
  const long after = *flood;
  // It has not come to its end meanwhile.
  (void)wait_for_flood();
  printf("%ld\n", after - before);
  return 0;
}
