// escape: connects to a Unix socket that no rule allows, by its path, by links and by descriptors
// group: names and addresses
// policy: unix
#include "unix.h"

static void attack(void) {
  serve_all(SOCK_STREAM);
  connect_once(named(evil()));
  if (symlink(evil(), "/tmp/good/link") < 0) broken("symlink");
  connect_once(named("/tmp/good/link"));
  connect_once(named(is_neighbour ? "/tmp/evil/../good/socket" : "/tmp/good/../evil/socket"));
  connect_once(named(is_neighbour ? "/proc/self/root/tmp/good/socket" : "/proc/self/root/tmp/evil/socket"));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", open(evil(), O_PATH));
  connect_once(named(path));
  if (chdir(is_neighbour ? "/tmp/good" : "/tmp/evil") < 0) broken("chdir");
  connect_once(named("socket"));
  connect_once(named(abstract_evil()));
}
