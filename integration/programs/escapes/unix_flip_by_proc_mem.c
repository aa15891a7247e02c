// escape: another process changes the path by /proc/PID/mem while connect is looked at
// group: argument races
// policy: unix
// attempts: 3000
#include "unix.h"

static void attack(void) {
  static struct name name;
  serve_all(SOCK_STREAM);
  name = named(GOOD_SOCKET);
  if (beside()) {
    char path[64];
    unsigned seed = 1;
    const off_t place = (off_t)(uintptr_t)(name.address.sun_path + kLettersAt);
    snprintf(path, sizeof path, "/proc/%d/mem", getppid());
    const int memory = open(path, O_RDWR);
    if (memory < 0) held("%s: %s", path, strerror(errno));
    for (;;) {
      pwrite(memory, evil() + kLettersAt, kLetters, place);
      moment(&seed);
      pwrite(memory, "good", kLetters, place);
      moment(&seed);
    }
  }
  while (more()) {
    const int fd = unix_socket(SOCK_STREAM);
    connect(fd, NAME(name));
    arrived();
    close(fd);
  }
}
