// escape: connects to a Unix socket, which no rule names
// group: names and addresses
// policy: network
// neighbour: connect_tcp --neighbour
#include <sys/un.h>

#include "escape.h"

static void attack(void) {
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "\0stranger"};
  const int listener = open_socket(AF_UNIX, SOCK_STREAM), fd = open_socket(AF_UNIX, SOCK_STREAM);
  if (bind(listener, ADDRESS(path)) < 0 || listen(listener, 1) < 0) broken("listen");
  if (connect(fd, ADDRESS(path)) < 0) held("connect: %s", strerror(errno));
  if (accept(listener, NULL, NULL) >= 0) escaped("the Unix socket was connected to");
}
