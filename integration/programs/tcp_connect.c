// tcp_connect [--listen] [--mptcp] ADDR PORT: connects a blocking TCP socket. With --listen it first opens a
// listener there, and after the connect sends one byte through, so that "ok" means a working connection.
#include "probe.h"

int main(int argc, char** argv) {
  int listening = 0;
  int protocol = 0;
  while (argc > 1 && argv[1][0] == '-') {
    if (strcmp(argv[1], "--listen") == 0) {
      listening = 1;
    } else if (strcmp(argv[1], "--mptcp") == 0) {
      protocol = 262;  // IPPROTO_MPTCP
    } else {
      break;
    }
    argv++;
    argc--;
  }
  if (argc != 3) usage("[--listen] [--mptcp] ADDR PORT");
  const struct address address = parse_address(argv[1], argv[2]);
  const int listener = listening ? listen_at(&address, SOCK_STREAM, 8) : -1;
  const int fd = socket(address.any.sa_family, SOCK_STREAM, protocol);
  if (fd < 0) broken("socket");

  const int result = connect(fd, &address.any, address.length);
  if (result == 0 && listening) {
    const int peer = accept(listener, NULL, NULL);
    char byte = 0;
    if (peer < 0) broken("accept");
    if (write(fd, "x", 1) != 1 || read(peer, &byte, 1) != 1 || byte != 'x') broken("byte");
  }
  return report("connect", result);
}
