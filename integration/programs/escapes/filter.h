#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>

#include "escape.h"

// Puts a filter on the caller that answers `number` with `action` and allows the rest. Returns what
// seccomp(2) does.
static inline int filter(int number, uint32_t action, unsigned flags) {
  struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
                               BPF_STMT(BPF_RET | BPF_K, action),
                               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const struct sock_fprog program = {sizeof code / sizeof *code, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

// Traces a child that makes the harmless call getppid, and at `stop` has it connect to the stranger instead.
// `stop` is the status of waitpid without its lower byte.
static inline void trace_and_rewrite(void (*child_begins)(void), int request, int stop) {
  static struct sockaddr_in to;
  to = stranger();
  const int fd = tcp(AF_INET);
  const pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0) held("PTRACE_TRACEME: %s", strerror(errno));
    raise(SIGSTOP);
    child_begins();
    syscall(SYS_getppid);
    _exit(0);
  }
  int status;
  if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) held("the child cannot be traced");
  if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) <
      0) {
    held("PTRACE_SETOPTIONS: %s", strerror(errno));
  }
  for (;;) {
    ptrace(request, child, 0, 0);
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return;
    struct user_regs_struct registers;
    if (status >> 8 != stop || ptrace(PTRACE_GETREGS, child, 0, &registers) < 0) continue;
    if (registers.orig_rax != SYS_getppid) continue;
    registers.orig_rax = SYS_connect;
    registers.rdi = (unsigned long)fd;
    registers.rsi = (uintptr_t)&to;
    registers.rdx = sizeof to;
    if (ptrace(PTRACE_SETREGS, child, 0, &registers) < 0) broken("PTRACE_SETREGS");
  }
}
