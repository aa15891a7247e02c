// flip_datagram [--sendmsg] PORT ALLOWED DENIED TIMES: sends TIMES datagrams while another thread flips the
// address between two hosts. Prints how many arrived at each. The denied host must never get one under a
// policy.
#include <pthread.h>
#include <stdatomic.h>

#include "probe.h"

static struct address shared;
static struct address allowed;
static struct address denied;
static atomic_int done;

static void* flip(void* unused) {
  while (!done) {
    *(volatile in_addr_t*)&shared.v4.sin_addr.s_addr = denied.v4.sin_addr.s_addr;
    *(volatile in_addr_t*)&shared.v4.sin_addr.s_addr = allowed.v4.sin_addr.s_addr;
  }
  return unused;
}

// How many datagrams wait.
static int take(int fd) {
  char byte;
  int count = 0;
  while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1) count++;
  return count;
}

int main(int argc, char** argv) {
  const int by_message = argc == 6 && strcmp(argv[1], "--sendmsg") == 0;
  if (by_message) argv++;
  if (argc - by_message != 5) usage("[--sendmsg] PORT ALLOWED DENIED TIMES");
  allowed = parse_address(argv[2], argv[1]);
  denied = parse_address(argv[3], argv[1]);
  shared = allowed;
  const int friend = listen_at(&allowed, SOCK_DGRAM, 0);
  const int stranger = listen_at(&denied, SOCK_DGRAM, 0);
  pthread_t flipping;
  if (pthread_create(&flipping, NULL, flip, NULL) != 0) broken("thread");

  const int fd = open_socket(AF_INET, SOCK_DGRAM);
  struct iovec data = {.iov_base = "x", .iov_len = 1};
  const struct msghdr message = {
      .msg_name = &shared.any, .msg_namelen = shared.length, .msg_iov = &data, .msg_iovlen = 1};
  int to_allowed = 0;
  int to_denied = 0;
  int refused = 0;
  for (int i = 0; i < atoi(argv[4]); i++) {
    const long sent =
        by_message ? sendmsg(fd, &message, 0) : sendto(fd, "x", 1, 0, &shared.any, shared.length);
    if (sent < 0 && errno != EACCES) broken("send");
    if (sent < 0) refused++;
    to_allowed += take(friend);
    to_denied += take(stranger);
  }
  done = 1;
  printf("allowed %d denied %d refused %d\n", to_allowed, to_denied, refused);
  return 0;
}
