// connect_interrupted [--restart] ADDR PORT: a blocking connect that nobody answers, interrupted by a signal;
// the handler then lets it through. Natively it fails with EINTR, and with SA_RESTART it goes on and
// succeeds.
#include <signal.h>
#include <sys/time.h>

#include "probe.h"

static int listener;
static volatile sig_atomic_t signals;

static void let_through(int number) {
  (void)number;
  const int error = errno;
  if (signals++ == 0) accept(listener, NULL, NULL);
  errno = error;
}

int main(int argc, char** argv) {
  int flags = 0;
  if (argc > 1 && strcmp(argv[1], "--restart") == 0) {
    flags = SA_RESTART;
    argv++;
    argc--;
  }
  if (argc != 3) usage("[--restart] ADDR PORT");
  const struct address address = parse_address(argv[1], argv[2]);
  listener = listen_without_answering(&address);
  const int fd = open_socket(address.any.sa_family, SOCK_STREAM);
  const struct sigaction action = {.sa_handler = let_through, .sa_flags = flags};
  const struct itimerval once = {.it_value = {.tv_usec = 300000}};
  if (sigaction(SIGALRM, &action, NULL) < 0) broken("sigaction");
  if (setitimer(ITIMER_REAL, &once, NULL) < 0) broken("setitimer");

  const int result = connect(fd, &address.any, address.length);
  const int error = errno;
  printf("connect: %s after %d signal\n", result == 0 ? "ok" : strerrorname_np(error), (int)signals);
  return result == 0 ? 0 : 1;
}
