// time_calls COUNT ERRNO: times personality(2) in whatever sandbox this runs in. ERRNO is what it must fail
// with, as a number; 0 means it must succeed.
#include "tests/bench/calls.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: time_calls COUNT ERRNO\n");
    return 2;
  }
  return time_calls(atol(argv[1]), atoi(argv[2]));
}
