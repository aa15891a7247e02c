#pragma once

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/timing.h"

// What the two programs that time a notified call have in common.

static struct {
  int expected_errno;
  int threads;
  long count;
  int64_t* times;
  int64_t start;
  atomic_long next;
  pthread_barrier_t begin;
} calls;

// One call of personality(2), which only reads here.
static int64_t time_call(void) {
  const int64_t start = now_ns();
  const long result = syscall(SYS_personality, 0xffffffffUL);
  const int64_t end = now_ns();
  if (calls.expected_errno != (result >= 0 ? 0 : errno)) {
    fprintf(stderr, "personality returned %ld (%m)\n", result);
    exit(1);
  }
  return end - start;
}

static void* make_calls(void* unused) {
  const long warm_up = calls.count / calls.threads / 10;
  for (long i = 0; i < warm_up; ++i) time_call();
  if (pthread_barrier_wait(&calls.begin) == PTHREAD_BARRIER_SERIAL_THREAD) calls.start = now_ns();
  // From one store, so that none ends while others still have some to make.
  for (;;) {
    const long i = atomic_fetch_add(&calls.next, 1);
    if (i >= calls.count) return unused;
    calls.times[i] = time_call();
  }
}

// Makes `count` calls in `threads` threads, each timed by itself, and prints "MEDIAN P99 CALLS-PER-SECOND".
// Fails when a call does not fail with `expected_errno` (0: succeed).
static inline int time_calls(long count, int expected_errno, int threads) {
  calls.expected_errno = expected_errno;
  calls.threads = threads;
  calls.count = count;
  calls.times = new_times(count);
  pthread_t others[threads];
  if (pthread_barrier_init(&calls.begin, NULL, (unsigned)threads) != 0) broken("pthread_barrier_init");
  for (int i = 1; i < threads; ++i) {
    if (pthread_create(&others[i], NULL, make_calls, NULL) != 0) broken("pthread_create");
  }
  make_calls(NULL);
  for (int i = 1; i < threads; ++i) pthread_join(others[i], NULL);
  const int64_t end = now_ns();
  print_times(calls.times, count, 1);
  printf(" %.1f\n", (double)count * 1e9 / (double)(end - calls.start));
  return 0;
}
