// escape: makes a file in a folder that may only be read, by binding a socket there
// group: file contents
// policy: files
#include <sys/un.h>

#include "files.h"

static void attack(void) {
  const struct path path = in(READABLE, "new");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, path.text);
  if (bind(open_socket(AF_UNIX, SOCK_STREAM), ADDRESS(address)) < 0) held("bind: %s", strerror(errno));
  check_made(path.text);
}
