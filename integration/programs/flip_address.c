// flip_address PORT ALLOWED DENIED TIMES: connects TIMES while another thread flips the address between two
// hosts, and more often, for 20 seconds at most, until each host has come up: on a busy machine the other
// thread may not run for a while. Prints how often it ended connected to each. The denied host must never be
// one of them under a policy.
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

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

static void* accept_all(void* listener) {
  for (;;) {
    const int fd = accept(*(int*)listener, NULL, NULL);
    if (fd >= 0) close(fd);
  }
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 5) usage("PORT ALLOWED DENIED TIMES");
  const struct address everywhere = parse_address("0.0.0.0", argv[1]);
  allowed = parse_address(argv[2], argv[1]);
  denied = parse_address(argv[3], argv[1]);
  shared = allowed;
  int listener = listen_at(&everywhere, SOCK_STREAM, 1024);
  pthread_t accepting;
  pthread_t flipping;
  if (pthread_create(&accepting, NULL, accept_all, &listener) != 0) broken("thread");
  if (pthread_create(&flipping, NULL, flip, NULL) != 0) broken("thread");

  int to_allowed = 0;
  int to_denied = 0;
  int refused = 0;
  const time_t end = time(NULL) + 20;
  for (int i = 0; i < atoi(argv[4]) || ((to_allowed == 0 || to_denied + refused == 0) && time(NULL) < end);
       i++) {
    const int fd = open_socket(AF_INET, SOCK_STREAM);
    // Closing with a reset keeps the ports of thousands of connections from running out.
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(fd, &shared.any, shared.length) < 0) {
      if (errno != EACCES) broken("connect");
      refused++;
    } else {
      struct address peer;
      peer.length = sizeof peer.v6;
      if (getpeername(fd, &peer.any, &peer.length) < 0) broken("getpeername");
      if (peer.v4.sin_addr.s_addr == denied.v4.sin_addr.s_addr) {
        to_denied++;
      } else {
        to_allowed++;
      }
    }
    close(fd);
  }
  done = 1;
  printf("allowed %d denied %d refused %d\n", to_allowed, to_denied, refused);
  return 0;
}
