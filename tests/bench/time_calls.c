// time_calls COUNT ERRNO [THREADS]: times personality(2) in whatever sandbox this runs in, in one thread or
// in several at once. ERRNO is what it must fail with, as a number; 0 means it must succeed.
#include "tests/bench/calls.h"

int main(int argc, char** argv) {
  const int threads = argc == 4 ? atoi(argv[3]) : 1;
  if (argc < 3 || argc > 4 || threads < 1) {
    fprintf(stderr, "usage: time_calls COUNT ERRNO [THREADS]\n");
    return 2;
  }
  return time_calls(atol(argv[1]), atoi(argv[2]), threads);
}
