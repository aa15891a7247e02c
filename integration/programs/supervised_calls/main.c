// supervised_calls CALLS [--tracer-dies]: several processes, one of several threads, make calls of every kind
// that the policy of integration/crash has, about CALLS in all, and look at what came of each; some of them
// get signals while their calls stand. Others make calls that wait, for as long as that takes and at least
// once each. Prints
//
//   KIND calls N wrong N [interrupted N] [again N] [died N]   for each kind; `again`: see made_again()
//   told N signals N EVENT                                    for each kind of event: how many there ought to
//   be, and how many
//                                                             signals there were, each of which may have made
//                                                             it one more
//   wrong: …                                                  for the first wrong calls
//
// and ends with 1 if any was wrong. With --tracer-dies callers may die with the tracer, and are started
// again.
//
// supervised_calls --run: what the kind `exec` executes; it ends with 7. So does a copy of it, which may not
// be run.
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "supervised.h"

static const char* const kNames[] = {
#define X(name, traced) #name,
    KINDS(X)
#undef X
};
static const int kTraced[] = {
#define X(name, traced) traced,
    KINDS(X)
#undef X
};

enum { MOST_THREADS = 3 };
static const struct {
  int waits;
  int threads;
  enum signals signals[MOST_THREADS];
} kProcesses[] = {
    {0, 1, {NO_SIGNALS}},
    {0, 1, {RESTARTING}},
    {0, 1, {INTERRUPTING}},
    {0, MOST_THREADS, {NO_SIGNALS, RESTARTING, INTERRUPTING}},
    {1, MOST_THREADS, {NO_SIGNALS, RESTARTING, INTERRUPTING}},
};
enum {
  PROCESSES = sizeof kProcesses / sizeof kProcesses[0],
  CALLERS = 1 + 1 + 1 + MOST_THREADS,  // whose calls do not wait
  MOST_CALLERS = PROCESSES * MOST_THREADS,
  MOST_EVENTS = 64,
  MOST_TOLD = 20,
  MOST_SIGNALS = 20,  // in one call
  DONE = -1
};

// Shared by all processes.
static struct {
  atomic_long calls[KIND_COUNT];
  atomic_long wrong[KIND_COUNT];
  atomic_long interrupted[KIND_COUNT];
  atomic_long again[KIND_COUNT];
  atomic_long died[KIND_COUNT];
  atomic_long wrong_told;
  // Of each caller, who may be a new process by now.
  atomic_long made[MOST_CALLERS];
  atomic_int kind[MOST_CALLERS];  // of what it does; DONE
  atomic_flag lock;               // of the events' names
  struct {
    char event[64];
    atomic_long told;
    atomic_long signals;
  } events[MOST_EVENTS];
} * shared;

static long calls_of_each;
static int tracer_dies;

_Thread_local struct caller me;

// --- what came of it --------------------------------------------------------------------------------

void wrong(const char* what, long expected, long found) {
  char line[256];
  ++shared->wrong[me.kind];
  if (shared->wrong_told++ >= MOST_TOLD) return;
  // Not by stdio, whose lock a thread may have had when this process was forked.
  const int size = snprintf(line, sizeof line, "wrong: %s: %s is %ld, not %ld (caller %d)\n", kNames[me.kind],
                            what, found, expected, me.number);
  if (write(STDOUT_FILENO, line, (size_t)size) != size) return;
}

int expect(const char* what, long expected, long found) {
  if (expected == found) return 1;
  wrong(what, expected, found);
  return 0;
}

int made_again(void) {
  if (me.signals == NO_SIGNALS) return 0;
  ++shared->again[me.kind];
  return 1;
}

int lost_to_tracer(long value) {
  if (!tracer_dies || !kTraced[me.kind] || (value != -EPERM && value != -EACCES)) return 0;
  ++shared->died[me.kind];
  return 1;
}

int killed_with_tracer(int status) {
  if (!tracer_dies || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) return 0;
  ++shared->died[me.kind];
  return 1;
}

// --- signals ----------------------------------------------------------------------------------------

static _Thread_local volatile sig_atomic_t signals_got;  // since the last event
static _Thread_local volatile sig_atomic_t signals_left;
static _Thread_local int interruptions;  // of the call that is being made again
static _Thread_local timer_t timer_set;

// No more than some: a call that begins anew with each would never end where it takes longer than they are
// apart.
static void count_signal(int number) {
  (void)number;
  const int error = errno;
  const struct itimerspec never = {{0, 0}, {0, 0}};
  ++signals_got;
  if (--signals_left <= 0) timer_settime(timer_set, 0, &never, NULL);
  errno = error;
}

static void install_handlers(void) {
  struct sigaction action = {.sa_handler = count_signal};
  if (sigaction(SIGUSR1, &action, NULL) != 0) broken("sigaction");
  action.sa_flags = SA_RESTART;
  if (sigaction(SIGALRM, &action, NULL) != 0) broken("sigaction");
}

struct alarm set_alarm(void) {
  struct alarm alarm = {0};
  // Not for ever of one that takes longer than they are apart.
  if (me.signals == NO_SIGNALS || interruptions >= MOST_SIGNALS) return alarm;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                           .sigev_signo = me.signals == RESTARTING ? SIGALRM : SIGUSR1};
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  if (timer_create(CLOCK_MONOTONIC, &event, &alarm.timer) != 0) broken("timer_create");
  alarm.set = 1;
  timer_set = alarm.timer;
  signals_left = MOST_SIGNALS;
  // While a call is being served, and while no worker is there.
  const long first = 1000L * (random_below(2) == 0 ? 1 + random_below(250) : 1000 + random_below(40000));
  const long later = 1000000L * (15 + random_below(30));
  const struct itimerspec when = {{0, later}, {0, first}};
  if (timer_settime(alarm.timer, 0, &when, NULL) != 0) broken("timer_settime");
  return alarm;
}

void end_alarm(const struct alarm* alarm) {
  if (alarm->set) timer_delete(alarm->timer);
}

int interrupted(long value) {
  if (value != -EINTR || me.signals != INTERRUPTING) {
    interruptions = 0;
    return 0;
  }
  ++interruptions;
  ++shared->interrupted[me.kind];
  return 1;
}

// --- events -----------------------------------------------------------------------------------------

void told(const char* event) {
  int i = 0;
  while (i < MOST_EVENTS && strcmp(shared->events[i].event, event) != 0) {
    if (shared->events[i].event[0] != '\0') {
      ++i;
      continue;
    }
    // Whoever has it may have been killed.
    for (int tries = 0; tries < 100 && atomic_flag_test_and_set(&shared->lock); ++tries) pause_for(1);
    if (shared->events[i].event[0] == '\0')
      strncpy(shared->events[i].event, event, sizeof shared->events[i].event - 1);
    atomic_flag_clear(&shared->lock);
  }
  if (i == MOST_EVENTS) broken("too many kinds of events");
  ++shared->events[i].told;
  shared->events[i].signals += signals_got;
  signals_got = 0;
}

// --- callers ----------------------------------------------------------------------------------------

static void make(enum kind kind) {
  me.kind = kind;
  shared->kind[me.number] = (int)kind;
  switch (kind) {
    case KIND_refused:
      expect("personality", -EPERM, CALL(syscall(SYS_personality, 0xffffffff)));
      told("personality denied");
      break;
    case KIND_let_run:
      expect("getpgid", getpgrp(), CALL(syscall(SYS_getpgid, 0)));
      told("getpgid allowed");
      break;
    default:
      // Each knows its own.
      make_network();
      make_messages();
      make_unix();
      make_exec();
      make_waiting();
      break;
  }
  ++shared->calls[kind];
  ++shared->made[me.number];
}

// How much longer these take than others.
static int weight(enum kind kind) {
  switch (kind) {
    case KIND_send_stream:
    case KIND_exec:
    case KIND_exec_refused:
      return 8;
    case KIND_exec_threads:
      return 32;
    default:
      return 1;
  }
}

static void call(void) {
  set_up_network();
  set_up_messages();
  set_up_unix();
  for (int round = 0; shared->made[me.number] < calls_of_each; ++round) {
    for (enum kind kind = KIND_setup + 1; kind < FIRST_THAT_WAITS; ++kind) {
      if (round % weight(kind) == 0) make(kind);
    }
  }
  shared->kind[me.number] = DONE;
}

// Whether anybody makes calls that do not wait.
static int others_call(void) {
  for (int number = 0; number < MOST_CALLERS; ++number) {
    const int process = number / MOST_THREADS;
    if (kProcesses[process].waits || number % MOST_THREADS >= kProcesses[process].threads) continue;
    if (shared->kind[number] != DONE) return 1;
  }
  return 0;
}

static void call_and_wait(void) {
  const long kinds = KIND_COUNT - FIRST_THAT_WAITS;
  set_up_waiting();
  // Not all of them in the same order, for workers may die at the beginning only.
  while (others_call() || shared->made[me.number] < kinds) {
    make((enum kind)(FIRST_THAT_WAITS + (shared->made[me.number] + 3 * me.number) % kinds));
  }
  shared->kind[me.number] = DONE;
}

static void* run_caller(void* start) {
  me = *(const struct caller*)start;
  if (kProcesses[me.number / MOST_THREADS].waits) {
    call_and_wait();
  } else {
    call();
  }
  return NULL;
}

// A process of callers that have not finished.
static pid_t start_process(int process) {
  const pid_t child = fork();
  if (child != 0) return child;
  pthread_t threads[MOST_THREADS];
  struct caller callers[MOST_THREADS];
  int count = 0;
  install_handlers();
  for (int i = 0; i < kProcesses[process].threads; ++i) {
    const int number = process * MOST_THREADS + i;
    if (shared->kind[number] == DONE) continue;
    shared->kind[number] = KIND_setup;
    callers[count] = (struct caller){.number = number,
                                     .signals = kProcesses[process].signals[i],
                                     .random = (unsigned)(getpid() * 31 + number)};
    // The only one is not to have siblings.
    if (kProcesses[process].threads == 1) {
      run_caller(&callers[0]);
    } else if (pthread_create(&threads[count], NULL, run_caller, &callers[count]) != 0) {
      broken("thread");
    }
    ++count;
  }
  if (kProcesses[process].threads > 1) {
    for (int i = 0; i < count; ++i) pthread_join(threads[i], NULL);
  }
  exit(0);
}

// Whether it died of what may kill it: one of its callers was in a call that the tracer has a part in.
static int may_have_died(int process, int status) {
  if (!tracer_dies || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) return 0;
  const atomic_int* const kinds = &shared->kind[process * MOST_THREADS];
  int traced = 0;
  for (int i = 0; i < kProcesses[process].threads; ++i) traced |= kinds[i] != DONE && kTraced[kinds[i]];
  for (int i = 0; i < kProcesses[process].threads; ++i) {
    if (traced && kinds[i] != DONE) ++shared->died[kinds[i]];
  }
  return traced;
}

static int run_all(void) {
  pid_t pids[PROCESSES];
  int failed = 0;
  int status = 0;
  pid_t ended = 0;
  for (int process = 0; process < PROCESSES; ++process) {
    pids[process] = start_process(process);
    if (pids[process] < 0) broken("fork");
  }
  while ((ended = wait(&status)) > 0) {
    int process = 0;
    while (process < PROCESSES && pids[process] != ended) ++process;
    if (process == PROCESSES) continue;  // somebody's child
    if (may_have_died(process, status)) {
      pids[process] = start_process(process);
    } else if (status != 0) {
      printf("wrong: process %d ended with status %#x\n", process, status);
      fflush(stdout);
      failed = 1;
      // Nobody is to wait for these.
      for (int i = 0; i < MOST_THREADS; ++i) shared->kind[process * MOST_THREADS + i] = DONE;
    }
  }
  return failed;
}

static int print_counts(void) {
  int failed = 0;
  for (enum kind kind = 0; kind < KIND_COUNT; ++kind) {
    printf("%s calls %ld wrong %ld", kNames[kind], shared->calls[kind], shared->wrong[kind]);
    if (shared->interrupted[kind] != 0) printf(" interrupted %ld", shared->interrupted[kind]);
    if (shared->again[kind] != 0) printf(" again %ld", shared->again[kind]);
    if (shared->died[kind] != 0) printf(" died %ld", shared->died[kind]);
    putchar('\n');
    failed |= shared->wrong[kind] != 0;
  }
  for (int i = 0; i < MOST_EVENTS && shared->events[i].event[0] != '\0'; ++i) {
    printf("told %ld signals %ld %s\n", shared->events[i].told, shared->events[i].signals,
           shared->events[i].event);
  }
  return failed;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--run") == 0) return 7;
  if (argc < 2) usage("CALLS [--tracer-dies]");
  calls_of_each = atol(argv[1]) / CALLERS + 1;
  tracer_dies = argc > 2 && strcmp(argv[2], "--tracer-dies") == 0;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) broken("mmap");
  told("execve allowed /probes/supervised_calls");  // this one
  puts("begun");
  fflush(stdout);
  const int failed = run_all();
  return print_counts() | failed;
}
