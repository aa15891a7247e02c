#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// What the two programs that time a notified call have in common.

static inline int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int compare_int64(const void* a, const void* b) {
  const int64_t left = *(const int64_t*)a;
  const int64_t right = *(const int64_t*)b;
  return (left > right) - (left < right);
}

// Makes `count` calls of personality(2), which only reads here, each timed by itself, and prints
// "MEDIAN P99" in nanoseconds. Fails when a call does not fail with `expected_errno` (0: succeed).
static inline int time_calls(long count, int expected_errno) {
  int64_t* times = malloc(sizeof *times * (size_t)count);
  if (times == NULL) return 2;
  const long warm_up = count / 10;
  for (long i = -warm_up; i < count; ++i) {
    const int64_t start = now_ns();
    const long result = syscall(SYS_personality, 0xffffffffUL);
    const int64_t end = now_ns();
    if ((expected_errno == 0) != (result >= 0)) {
      fprintf(stderr, "personality returned %ld\n", result);
      return 1;
    }
    if (i >= 0) times[i] = end - start;
  }
  qsort(times, (size_t)count, sizeof *times, compare_int64);
  printf("%lld %lld\n", (long long)times[count / 2], (long long)times[count * 99 / 100]);
  free(times);
  return 0;
}
