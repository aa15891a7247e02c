// time_filtered COUNT: times calls that a filter decides alone, COUNT times a hundred of each kind, since the
// clock takes as long as one. Prints "KIND MEDIAN P99 SLEPT" for each, of one call; SLEPT is how often the
// process gave up its processor meanwhile, as it does in every call that is notified.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/timing.h"

enum { CALLS = 100 };

static int zero;
static int datagrams[2];

// Nothing is said of it.
static int call_getppid(void) { return syscall(SYS_getppid) >= 0; }

static int call_read(void) {
  char byte;
  return read(zero, &byte, 1) == 1;
}

// Families and types are looked at.
static int call_socket(void) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return fd >= 0 && close(fd) == 0;
}

// Levels and names of options are looked at.
static int call_setsockopt(void) {
  const int on = 1;
  return setsockopt(datagrams[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
}

// Whether there is an address, and flags, are looked at.
static int call_send(void) {
  char byte = 'x';
  return send(datagrams[0], &byte, 1, 0) == 1 && recv(datagrams[1], &byte, 1, 0) == 1;
}

static const struct {
  const char* name;
  int (*call)(void);
} kKinds[] = {{"getppid", call_getppid},
              {"read", call_read},
              {"socket", call_socket},
              {"setsockopt", call_setsockopt},
              {"send", call_send}};

static long slept(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

static int64_t time_calls(const char* name, int (*call)(void)) {
  int right = 1;
  const int64_t start = now_ns();
  for (int i = 0; i < CALLS; ++i) right &= call();
  const int64_t end = now_ns();
  if (!right) {
    perror(name);
    exit(1);
  }
  return end - start;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: time_filtered COUNT\n");
    return 2;
  }
  const long count = atol(argv[1]);
  int64_t* times = new_times(count);
  zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  if (zero < 0) broken("/dev/zero");
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, datagrams) != 0) broken("socketpair");
  for (size_t kind = 0; kind < sizeof kKinds / sizeof *kKinds; ++kind) {
    for (long i = 0; i < count / 10; ++i) time_calls(kKinds[kind].name, kKinds[kind].call);
    const long slept_before = slept();
    for (long i = 0; i < count; ++i) times[i] = time_calls(kKinds[kind].name, kKinds[kind].call);
    const long slept_meanwhile = slept() - slept_before;
    printf("%s ", kKinds[kind].name);
    print_times(times, count, CALLS);
    printf(" %ld\n", slept_meanwhile);
  }
  return 0;
}
