// try_syscall [--thread] NAME|NUMBER [ARGUMENT...]: makes one system call. An argument is a number (0x… too),
// or "@text" for the address of that text. Prints "NAME: VALUE", or "NAME: EPERM". With --thread a second
// thread makes it, whose number is printed first.
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "probe.h"

static const struct {
  const char* name;
  long number;
} kSyscalls[] = {
    {"access", SYS_access},
    {"arch_prctl", SYS_arch_prctl},
    {"bpf", SYS_bpf},
    {"chdir", SYS_chdir},
    {"chmod", SYS_chmod},
    {"chown", SYS_chown},
    {"clone3", SYS_clone3},
    {"connect", SYS_connect},
    {"delete_module", SYS_delete_module},
    {"eventfd2", SYS_eventfd2},
    {"finit_module", SYS_finit_module},
    {"fsopen", SYS_fsopen},
    {"getcpu", SYS_getcpu},
    {"getpid", SYS_getpid},
    {"getppid", SYS_getppid},
    {"getuid", SYS_getuid},
    {"init_module", SYS_init_module},
    {"io_uring_setup", SYS_io_uring_setup},
    {"kcmp", SYS_kcmp},
    {"kexec_load", SYS_kexec_load},
    {"keyctl", SYS_keyctl},
    {"landlock_create_ruleset", SYS_landlock_create_ruleset},
    {"mbind", SYS_mbind},
    {"mkdir", SYS_mkdir},
    {"modify_ldt", SYS_modify_ldt},
    {"mount", SYS_mount},
    {"perf_event_open", SYS_perf_event_open},
    {"personality", SYS_personality},
    {"prctl", SYS_prctl},
    {"ptrace", SYS_ptrace},
    {"rmdir", SYS_rmdir},
    {"seccomp", SYS_seccomp},
    {"set_mempolicy", SYS_set_mempolicy},
    {"setns", SYS_setns},
    {"setsockopt", SYS_setsockopt},
    {"setuid", SYS_setuid},
    {"socket", SYS_socket},
    {"socketpair", SYS_socketpair},
    {"timerfd_create", SYS_timerfd_create},
    {"umask", SYS_umask},
    {"uname", SYS_uname},
    {"unshare", SYS_unshare},
    {"userfaultfd", SYS_userfaultfd},
    {"writev", SYS_writev},
};

static long number;
static unsigned long arguments[6];

// Returns its errno, 0 where it succeeded with `result`.
static void* call(void* result) {
  errno = 0;
  *(long*)result =
      syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
  return (void*)(long)errno;
}

static void* call_as_thread(void* result) {
  printf("thread: %ld\n", syscall(SYS_gettid));
  return call(result);
}

static long number_of(const char* name) {
  char* end = NULL;
  const long value = strtol(name, &end, 0);
  if (*end == '\0') return value;
  for (size_t i = 0; i < sizeof kSyscalls / sizeof *kSyscalls; i++) {
    if (strcmp(kSyscalls[i].name, name) == 0) return kSyscalls[i].number;
  }
  broken("unknown system call");
  return -1;
}

int main(int argc, char** argv) {
  const int threaded = argc > 1 && strcmp(argv[1], "--thread") == 0;
  argv += threaded;
  argc -= threaded;
  if (argc < 2 || argc > 8) usage("[--thread] NAME|NUMBER [ARGUMENT...]");
  number = number_of(argv[1]);
  for (int i = 2; i < argc; i++) {
    arguments[i - 2] = argv[i][0] == '@' ? (unsigned long)(argv[i] + 1) : strtoul(argv[i], NULL, 0);
  }
  // What ptrace(PTRACE_TRACEME) makes of any signal is a stop, and a runtime passes signals on.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  long result = -1;
  void* failed_with = NULL;
  pthread_t thread;
  if (!threaded) {
    failed_with = call(&result);
  } else if (pthread_create(&thread, NULL, call_as_thread, &result) != 0 ||
             pthread_join(thread, &failed_with) != 0) {
    broken("thread");
  }
  errno = (int)(long)failed_with;
  if (result < 0) return report(argv[1], result);
  printf("%s: %ld\n", argv[1], result);
  return 0;
}
