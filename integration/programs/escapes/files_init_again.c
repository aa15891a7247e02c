// escape: has tidewaiter-init start the program, with rules that allow everything
// group: what enforces
// policy: files
#include "files.h"

static void attack(void) {
  static const char kInit[] = "/dev/.tidewaiter-init";
  char* orders[] = {"tidewaiter-init", "rwx", "r/", "w/", "x/", "--", (char*)forbidden(), NULL};
  // Without a policy there is none, and none in the way.
  const bool is_there = access(kInit, F_OK) == 0;
  execve(is_there ? kInit : forbidden(), is_there ? orders : orders + 6, no_environment);
  held("%s", strerror(errno));
}
