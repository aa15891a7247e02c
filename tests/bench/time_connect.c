// time_connect udp|tcp COUNT: times the connect(2) of a new socket to a port of this very process, at
// 127.0.0.1:8000.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/timing.h"

static const struct sockaddr_in* address(void) {
  static struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_port = htons(8000);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return &address;
}

static int new_socket(int type) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) broken("socket");
  return fd;
}

static int new_server(int type) {
  const int fd = new_socket(type);
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) broken("setsockopt");
  if (bind(fd, (const struct sockaddr*)address(), sizeof *address()) != 0) broken("bind");
  if (type == SOCK_STREAM && listen(fd, 8) != 0) broken("listen");
  return fd;
}

static int64_t time_connect(int type, int server) {
  const int fd = new_socket(type);
  const int64_t start = now_ns();
  const int result = connect(fd, (const struct sockaddr*)address(), sizeof *address());
  const int64_t end = now_ns();
  if (result != 0) {
    perror("connect");
    exit(1);
  }
  if (type == SOCK_STREAM) {
    const int accepted = accept(server, NULL, NULL);
    if (accepted < 0) broken("accept");
    // Reset rather than closed in turn, or ports run out.
    const struct linger at_once = {1, 0};
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0) broken("setsockopt");
    close(fd);
    close(accepted);
  } else {
    close(fd);
  }
  return end - start;
}

int main(int argc, char** argv) {
  if (argc != 3 || (strcmp(argv[1], "udp") != 0 && strcmp(argv[1], "tcp") != 0)) {
    fprintf(stderr, "usage: time_connect udp|tcp COUNT\n");
    return 2;
  }
  const int type = strcmp(argv[1], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
  const long count = atol(argv[2]);
  const int server = new_server(type);
  int64_t* times = new_times(count);
  for (long i = 0; i < count / 10; ++i) time_connect(type, server);
  for (long i = 0; i < count; ++i) times[i] = time_connect(type, server);
  print_times(times, count, 1);
  printf("\n");
  return 0;
}
