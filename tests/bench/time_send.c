// time_send plain|descriptor COUNT: times sendmsg(2) of a byte over a connected pair of Unix sockets, without
// or with a descriptor.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/timing.h"

typedef union {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
} Control;

static int64_t time_send(const int pair[2], const struct msghdr* message) {
  const int64_t start = now_ns();
  const ssize_t sent = sendmsg(pair[0], message, 0);
  const int64_t end = now_ns();
  if (sent != 1) {
    perror("sendmsg");
    exit(1);
  }
  char byte;
  struct iovec piece = {.iov_base = &byte, .iov_len = 1};
  Control control;
  struct msghdr received = {
      .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(pair[1], &received, MSG_CMSG_CLOEXEC) != 1) broken("recvmsg");
  const struct cmsghdr* const header = CMSG_FIRSTHDR(&received);
  if (header != NULL) {
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    close(fd);
  }
  return end - start;
}

int main(int argc, char** argv) {
  if (argc != 3 || (strcmp(argv[1], "plain") != 0 && strcmp(argv[1], "descriptor") != 0)) {
    fprintf(stderr, "usage: time_send plain|descriptor COUNT\n");
    return 2;
  }
  const long count = atol(argv[2]);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) broken("socketpair");
  char byte = 0;
  struct iovec piece = {.iov_base = &byte, .iov_len = 1};
  Control control;
  memset(&control, 0, sizeof control);
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(&control.header), &pair[0], sizeof pair[0]);
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  if (strcmp(argv[1], "descriptor") == 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
  }
  int64_t* times = new_times(count);
  for (long i = 0; i < count / 10; ++i) time_send(pair, &message);
  for (long i = 0; i < count; ++i) times[i] = time_send(pair, &message);
  print_times(times, count, 1);
  printf("\n");
  return 0;
}
