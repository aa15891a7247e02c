// connect_threads ADDR PORT THREADS TIMES: one thread waits in a connect that nobody answers (on PORT + 1),
// while THREADS others connect TIMES each to a listener on PORT. Prints how many got through, and whether the
// first was still waiting when the last of them was done.
#include <pthread.h>
#include <stdatomic.h>

#include "probe.h"

static struct address open_address;
static struct address silent_address;
static int times;
static atomic_int connected;
static atomic_int started;
static atomic_int ended;

static void* wait_for_ever(void* unused) {
  const int fd = open_socket(silent_address.any.sa_family, SOCK_STREAM);
  started = 1;
  connect(fd, &silent_address.any, silent_address.length);
  ended = 1;
  return unused;
}

static void* connect_often(void* unused) {
  for (int i = 0; i < times; i++) {
    const int fd = open_socket(open_address.any.sa_family, SOCK_STREAM);
    if (connect(fd, &open_address.any, open_address.length) == 0) connected++;
    close(fd);
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
  if (argc != 5) usage("ADDR PORT THREADS TIMES");
  open_address = parse_address(argv[1], argv[2]);
  char next_port[16];
  snprintf(next_port, sizeof next_port, "%d", atoi(argv[2]) + 1);
  silent_address = parse_address(argv[1], next_port);
  const int threads = atoi(argv[3]);
  times = atoi(argv[4]);
  int listener = listen_at(&open_address, SOCK_STREAM, 1024);
  listen_without_answering(&silent_address);

  pthread_t waiting;
  pthread_t accepting;
  pthread_t* connecting = calloc((size_t)threads, sizeof *connecting);
  if (!connecting || pthread_create(&waiting, NULL, wait_for_ever, NULL) != 0) broken("thread");
  while (!started) usleep(1000);
  usleep(200000);  // there is no event for "has entered the kernel"
  if (pthread_create(&accepting, NULL, accept_all, &listener) != 0) broken("thread");
  for (int i = 0; i < threads; i++) {
    if (pthread_create(&connecting[i], NULL, connect_often, NULL) != 0) broken("thread");
  }
  for (int i = 0; i < threads; i++) pthread_join(connecting[i], NULL);
  printf("%d of %d connected while one %s\n", connected, threads * times, ended ? "did not wait" : "waited");
  fflush(stdout);
  _exit(connected == threads * times && !ended ? 0 : 1);
}
