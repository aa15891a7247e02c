// time_exec COUNT THREADS TASKS PROGRAM: times vfork(2) and execve(2) of PROGRAM, called "true", until it has
// ended. This process has THREADS threads in all, of which the others do nothing, and so do TASKS processes
// beside it.
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/timing.h"

static void* do_nothing(void* unused) {
  for (;;) pause();
  return unused;
}

static void start_threads(int count) {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  for (int i = 0; i < count; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, &small, do_nothing, NULL) != 0) broken("pthread_create");
  }
}

static void start_tasks(int count) {
  for (int i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child < 0) broken("fork");
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      do_nothing(NULL);
    }
  }
}

static pid_t start(const char* program) {
  char* const arguments[] = {"true", NULL};
  char* const environment[] = {NULL};
  const pid_t child = vfork();
  if (child == 0) {
    execve(program, arguments, environment);
    _exit(127);
  }
  return child;
}

static int64_t time_exec(const char* program) {
  int status = 0;
  const int64_t begin = now_ns();
  const pid_t child = start(program);
  if (child < 0) broken("vfork");
  if (waitpid(child, &status, 0) != child) broken("waitpid");
  const int64_t end = now_ns();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "%s ended with status %#x\n", program, (unsigned)status);
    exit(1);
  }
  return end - begin;
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: time_exec COUNT THREADS TASKS PROGRAM\n");
    return 2;
  }
  const long count = atol(argv[1]);
  int64_t* times = new_times(count);
  // Before there are threads to be forked beside.
  start_tasks(atoi(argv[3]));
  start_threads(atoi(argv[2]) - 1);
  for (long i = 0; i < count / 10; ++i) time_exec(argv[4]);
  for (long i = 0; i < count; ++i) times[i] = time_exec(argv[4]);
  print_times(times, count, 1);
  printf("\n");
  return 0;
}
