// escape: another thread changes the working directory while connect is looked at
// group: path races
// policy: unix
// attempts: 3000
#include "unix.h"

static void* move(void* unused) {
  unsigned seed = 1;
  for (int i = 0;; i = !i) {
    if (chdir(i ? "/tmp/good" : is_neighbour ? "/tmp/good" : "/tmp/evil") < 0) broken("chdir");
    moment(&seed);
  }
  return unused;
}

static void attack(void) {
  serve_all(SOCK_STREAM);
  if (chdir("/tmp/good") < 0) broken("chdir");
  thread(move, NULL);
  while (more()) connect_once(named("socket"));
}
