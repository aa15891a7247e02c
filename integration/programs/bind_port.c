// bind_port [--udp] [--taken] ADDR PORT: binds a socket. With --taken another one has been bound there
// before.
#include "probe.h"

int main(int argc, char** argv) {
  int type = SOCK_STREAM;
  int taken = 0;
  while (argc > 1 && argv[1][0] == '-') {
    if (strcmp(argv[1], "--udp") == 0) {
      type = SOCK_DGRAM;
    } else if (strcmp(argv[1], "--taken") == 0) {
      taken = 1;
    } else {
      break;
    }
    argv++;
    argc--;
  }
  if (argc != 3) usage("[--udp] [--taken] ADDR PORT");
  const struct address address = parse_address(argv[1], argv[2]);
  if (taken) listen_at(&address, type, 8);
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
