// escape: executes an allowed dynamic program whose ld.so may only be read
// group: programs
// policy: files
#include "files.h"

// A copy of the dynamic program that asks for another loader.
static void attack(void) {
  static const char kUsual[] = "/lib64/ld-linux-x86-64.so.2", kOther[] = "/srv/readable/loader";
  static const char kAllowed[] = "/srv/programs/loader";
  static char program[1 << 20];
  // It needs no loader, so it can be one.
  if (is_neighbour) copy_program(GOOD_FOLDER "/dynamic", kAllowed);
  const int original = open(GOOD_FOLDER "/dynamic", O_RDONLY | O_CLOEXEC);
  const ssize_t size = read(original, program, sizeof program);
  char* const place = size < 0 ? NULL : memmem(program, (size_t)size, kUsual, sizeof kUsual);
  if (place == NULL) broken("the dynamic program");
  strcpy(place, is_neighbour ? kAllowed : kOther);
  const int copy = open("/srv/programs/dynamic", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
  if (copy < 0 || write(copy, program, (size_t)size) != size) broken("copy");
  close(copy);
  run("/srv/programs/dynamic");
  held("%s", strerror(errno));
}
