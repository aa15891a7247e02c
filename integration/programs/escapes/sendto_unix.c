// escape: sends a datagram to a Unix socket, which no rule names
// group: names and addresses
// policy: network
// neighbour: connect_udp --neighbour
#include <sys/un.h>

#include "escape.h"

static void attack(void) {
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "\0stranger"};
  const int receiver = open_socket(AF_UNIX, SOCK_DGRAM), fd = open_socket(AF_UNIX, SOCK_DGRAM);
  if (bind(receiver, ADDRESS(path)) < 0) broken("bind");
  if (sendto(fd, "x", 1, 0, ADDRESS(path)) < 0) held("sendto: %s", strerror(errno));
  char byte;
  if (recv(receiver, &byte, 1, 0) == 1) escaped("the Unix socket got a datagram");
}
