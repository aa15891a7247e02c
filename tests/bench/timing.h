#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// What the programs that integration/bench runs have in common. Each prints "MEDIAN P99" in nanoseconds, and
// some more behind it; each ends with 2 if it could not do its work, and with 1 if a call came to something
// else than it has to.

static inline void broken(const char* what) {
  perror(what);
  exit(2);
}

static inline int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

// Touched already, so that no page fault is timed.
static inline int64_t* new_times(long count) {
  int64_t* times = calloc((size_t)count, sizeof *times);
  if (times == NULL || count < 1) broken("room for the times");
  for (long i = 0; i < count; ++i) times[i] = -1;
  return times;
}

static inline int compare_times(const void* a, const void* b) {
  const int64_t left = *(const int64_t*)a;
  const int64_t right = *(const int64_t*)b;
  return (left > right) - (left < right);
}

// The times of `calls` calls each. Without the end of the line.
static inline void print_times(int64_t* times, long count, int calls) {
  qsort(times, (size_t)count, sizeof *times, compare_times);
  printf("%.1f %.1f", (double)times[count / 2] / calls, (double)times[count * 99 / 100] / calls);
}
