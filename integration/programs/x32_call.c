// x32_call NUMBER [ARGUMENT...]: makes a system call of the x32 table: the x86-64 number with bit 30 set. A
// kernel without x32 answers ENOSYS.
#include "probe.h"

int main(int argc, char** argv) {
  if (argc < 2 || argc > 5) usage("NUMBER [ARGUMENT...]");
  unsigned long arguments[3] = {0};
  for (int i = 2; i < argc; i++) arguments[i - 2] = strtoul(argv[i], NULL, 0);
  errno = 0;
  return report("x32",
                syscall(0x40000000 | strtol(argv[1], NULL, 0), arguments[0], arguments[1], arguments[2]));
}
