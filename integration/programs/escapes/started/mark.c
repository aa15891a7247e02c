// What the escapes start: leaves a mark on descriptor 9 that it has run. Built twice with a mark of its own:
// `good`, which the policies allow, and `forbidden`. As `mark` it is forbidden when an argument says so.
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
#ifdef MARK
  const char mark = MARK;
  (void)argc;
  (void)argv;
#else
  char mark = 'G';
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "forbidden") == 0) mark = 'F';
  }
#endif
  return write(9, &mark, 1) == 1 ? 0 : 1;
}
