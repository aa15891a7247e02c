// under_filter none|listener PROGRAM [ARGUMENT...]: runs it below a seccomp filter that allows every call,
// and that has no listener, or one. Needs CAP_SYS_ADMIN. Ends as the program does.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int broken(const char* what) {
  perror(what);
  return 125;
}

int main(int argc, char** argv) {
  if (argc < 3) return 125;
  struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const struct sock_fprog filter = {1, allow};
  const unsigned flags = strcmp(argv[1], "listener") == 0 ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter) < 0) return broken("seccomp");
  // The listener is there for as long as somebody has its descriptor, which execve closes.
  const pid_t child = fork();
  if (child < 0) return broken("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[2], argv + 2);
    _exit(broken(argv[2]));
  }
  int status = 0;
  if (waitpid(child, &status, 0) < 0) return broken("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
