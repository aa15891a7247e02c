// connect_nonblocking ADDR PORT: connects a non-blocking TCP socket to a listener of its own and waits for
// the result as a program does: EINPROGRESS (or success) first, then poll, then SO_ERROR.
#include <fcntl.h>
#include <poll.h>

#include "probe.h"

int main(int argc, char** argv) {
  if (argc != 3) usage("ADDR PORT");
  const struct address address = parse_address(argv[1], argv[2]);
  listen_at(&address, SOCK_STREAM, 8);
  const int fd = open_socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK);
  const int result = connect(fd, &address.any, address.length);
  if (result < 0 && errno != EINPROGRESS) return report("connect", result);

  struct pollfd waiting = {.fd = fd, .events = POLLOUT};
  int error = 0;
  socklen_t length = sizeof error;
  if (poll(&waiting, 1, 5000) != 1) broken("poll");
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) broken("getsockopt");
  if (!(fcntl(fd, F_GETFL) & O_NONBLOCK)) {
    errno = 0;
    broken("the socket is no longer non-blocking");
  }
  errno = error;
  return report(result < 0 ? "connect in progress" : "connect at once", error ? -1 : 0);
}
