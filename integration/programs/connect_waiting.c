// connect_waiting ADDR PORT: starts a non-blocking connect that nobody answers, and prints how it is told so
// and how soon: natively EINPROGRESS, at once.
#include <time.h>

#include "probe.h"

int main(int argc, char** argv) {
  if (argc != 3) usage("ADDR PORT");
  const struct address address = parse_address(argv[1], argv[2]);
  listen_without_answering(&address);
  const int fd = open_socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK);
  struct timespec before;
  struct timespec after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  const int result = connect(fd, &address.any, address.length);
  const int error = errno;
  clock_gettime(CLOCK_MONOTONIC, &after);
  const int again = connect(fd, &address.any, address.length);
  const int again_error = errno;
  printf("connect: %s, %s; again: %s\n", result == 0 ? "ok" : strerrorname_np(error),
         after.tv_sec - before.tv_sec < 2 ? "at once" : "late",
         again == 0 ? "ok" : strerrorname_np(again_error));
  return result == 0 ? 0 : 1;
}
