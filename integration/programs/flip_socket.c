// flip_socket ADDR PORT TIMES: connects TIMES through one descriptor number while another thread puts a TCP
// and a UDP socket under it in turn. Prints how often each kind ended connected: under a policy for one
// transport the other must never be.
#include <pthread.h>
#include <stdatomic.h>

#include "probe.h"

enum { kShared = 100 };

static int tcp_socket;
static int udp_socket;
static atomic_int done;
static atomic_int flips;

static void* flip(void* unused) {
  while (!done) {
    dup2(udp_socket, kShared);
    dup2(tcp_socket, kShared);
    flips++;
  }
  return unused;
}

static int has_peer(int fd) {
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  return getpeername(fd, (struct sockaddr*)&peer, &length) == 0;
}

int main(int argc, char** argv) {
  if (argc != 4) usage("ADDR PORT TIMES");
  const struct address address = parse_address(argv[1], argv[2]);
  const int listener = listen_at(&address, SOCK_STREAM, 1024);
  int tcp_connected = 0;
  int udp_connected = 0;
  for (int i = 0; i < atoi(argv[3]); i++) {
    pthread_t flipping;
    done = 0;
    flips = 0;
    tcp_socket = open_socket(address.any.sa_family, SOCK_STREAM);
    udp_socket = open_socket(address.any.sa_family, SOCK_DGRAM);
    dup2(tcp_socket, kShared);
    if (pthread_create(&flipping, NULL, flip, NULL) != 0) broken("thread");
    while (flips < 2) {
    }
    connect(kShared, &address.any, address.length);
    done = 1;
    pthread_join(flipping, NULL);
    if (has_peer(tcp_socket)) {
      tcp_connected++;
      const int peer = accept(listener, NULL, NULL);
      if (peer >= 0) close(peer);
    }
    if (has_peer(udp_socket)) udp_connected++;
    close(tcp_socket);
    close(udp_socket);
    close(kShared);
  }
  printf("tcp %d udp %d\n", tcp_connected, udp_connected);
  return 0;
}
