// udp_connect ADDR PORT: connects a UDP socket and, where that works, shows that it has a peer.
#include "probe.h"

int main(int argc, char** argv) {
  if (argc != 3) usage("ADDR PORT");
  const struct address address = parse_address(argv[1], argv[2]);
  const int fd = open_socket(address.any.sa_family, SOCK_DGRAM);
  const int result = connect(fd, &address.any, address.length);
  if (result == 0) {
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    if (getpeername(fd, (struct sockaddr*)&peer, &length) < 0) broken("getpeername");
    errno = 0;
  }
  return report("connect", result);
}
