// bind_port [--udp] ADDR PORT: binds a socket.
#include "probe.h"

int main(int argc, char** argv) {
  int type = SOCK_STREAM;
  if (argc > 1 && strcmp(argv[1], "--udp") == 0) {
    type = SOCK_DGRAM;
    argv++;
    argc--;
  }
  if (argc != 3) usage("[--udp] ADDR PORT");
  const struct address address = parse_address(argv[1], argv[2]);
  const int fd = open_socket(address.any.sa_family, type);
  const int result = bind(fd, &address.any, address.length);
  if (result == 0) {
    struct address bound;
    bound.length = sizeof bound.v6;
    if (getsockname(fd, &bound.any, &bound.length) < 0) broken("getsockname");
    if (atoi(argv[2]) != 0 && bound.v4.sin_port != address.v4.sin_port) broken("another port was bound");
  }
  return report("bind", result);
}
