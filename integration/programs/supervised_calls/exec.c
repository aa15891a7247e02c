// Programs: this one may be run, and a copy of it under another name may not.
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "supervised.h"

static long run(const char* path) {
  char* const arguments[] = {(char*)path, "--run", NULL};
  char* const environment[] = {NULL};
  return CALL(execve(path, arguments, environment));
}

// What became of a program that ends with 7, or of the attempt to run it.
static void expect_end(int status, long error, long expected) {
  if (killed_with_tracer(status) || lost_to_tracer(error)) return;
  if (WIFSIGNALED(status)) {
    wrong("the signal it died of", 0, WTERMSIG(status));
  } else {
    expect("execve, or the exit code", expected, error != 0 ? error : WEXITSTATUS(status));
  }
}

static void run_program(const char* path, long expected) {
  volatile long error = 0;
  const pid_t child = vfork();
  if (child < 0) broken("vfork");
  if (child == 0) {
    error = run(path);
    _exit(100);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) broken("waitpid");
  expect_end(status, error, expected);
}

// --- by a thread whose siblings' calls stand --------------------------------------------------------

// No events, for nobody asks where it goes.
static long send_byte(int fd, int flags, size_t size) {
  static char bytes[1 << 20];
  struct iovec part = {bytes, size};
  const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return sendmsg(fd, &message, flags);
}

static void* send_for_ever(void* unused) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return unused;
  for (;;) send_byte(pair[0], MSG_DONTWAIT, 1);
  return NULL;
}

static void* wait_for_ever(void* unused) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return unused;
  for (;;) send_byte(pair[0], 0, 1 << 20);
  return NULL;
}

// The program has no other way to say what execve(2) failed with.
enum { ERRNO_AT = 128 };

static void* run_beside_others(void* caller) {
  me = *(const struct caller*)caller;
  pause_for(random_below(5));
  _exit((int)(ERRNO_AT - run("/probes/supervised_calls")));
}

static void run_from_thread(void) {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) broken("fork");
  if (child == 0) {
    pthread_t threads[3];
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
    struct caller caller = me;
    if (pthread_create(&threads[0], NULL, send_for_ever, NULL) != 0 ||
        pthread_create(&threads[1], NULL, wait_for_ever, NULL) != 0 ||
        pthread_create(&threads[2], NULL, run_beside_others, &caller) != 0) {
      _exit(2);
    }
    pthread_join(threads[2], NULL);
    _exit(3);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) broken("waitpid");
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  expect_end(status, code > ERRNO_AT ? ERRNO_AT - code : 0, 7);
}

void make_exec(void) {
  switch (me.kind) {
    case KIND_exec:
      run_program("/probes/supervised_calls", 7);
      return told("execve allowed /probes/supervised_calls");
    case KIND_exec_refused:
      run_program("/probes/forbidden_calls", -EACCES);
      return told("execve denied /probes/forbidden_calls");
    case KIND_exec_threads:
      run_from_thread();
      return told("execve allowed /probes/supervised_calls");
    default:
      return;
  }
}
