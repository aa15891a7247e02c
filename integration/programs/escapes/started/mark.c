// What the escapes start: leaves a mark on descriptor 9 that it has run. Built several times: `good`, which
// the policies allow, and `forbidden`, with a mark of their own; as `mark` it is forbidden when an argument
// says so, and with the first argument `wait` it waits for its input before it looks.
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
#ifdef MARK
  const char mark = MARK;
  (void)argc;
  (void)argv;
#else
  char mark = 'G';
  if (argc > 1 && strcmp(argv[1], "wait") == 0 && read(0, &mark, 1) != 1) return 1;
  mark = 'G';
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "forbidden") == 0) mark = 'F';
  }
#endif
  return write(9, &mark, 1) == 1 ? 0 : 1;
}
