// try_syscall NAME|NUMBER [ARGUMENT...]: makes one system call. An argument is a number (0x… too), or "@text"
// for the address of that text. Prints "NAME: VALUE", or "NAME: EPERM".
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

int main(int argc, char** argv) {
  if (argc < 2 || argc > 8) usage("NAME|NUMBER [ARGUMENT...]");
  char* end = NULL;
  long number = strtol(argv[1], &end, 0);
  if (*end != '\0') {
    number = -1;
    for (size_t i = 0; i < sizeof kSyscalls / sizeof *kSyscalls; i++) {
      if (strcmp(kSyscalls[i].name, argv[1]) == 0) number = kSyscalls[i].number;
    }
    if (number < 0) broken("unknown system call");
  }
  unsigned long arguments[6] = {0};
  for (int i = 2; i < argc; i++) {
    arguments[i - 2] = argv[i][0] == '@' ? (unsigned long)(argv[i] + 1) : strtoul(argv[i], NULL, 0);
  }
  // What ptrace(PTRACE_TRACEME) makes of any signal is a stop, and a runtime passes signals on.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  errno = 0;
  const long result =
      syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
  if (result < 0) return report(argv[1], result);
  printf("%s: %ld\n", argv[1], result);
  return 0;
}
