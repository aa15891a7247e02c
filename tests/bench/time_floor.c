// time_floor COUNT [THREADS [PROCESSES...]]: times personality(2) under the least supervisor there can be: a
// loop of RECV and SEND with synchronous wake-up that refuses everything with EPERM. What a notification
// costs before anything is decided. The target makes its calls in THREADS threads, in the cgroups whose
// cgroup.procs are named.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/bench/calls.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

static int install_filter(void) {
  struct sock_filter instructions[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_personality, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof instructions / sizeof *instructions, instructions};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static int serve(int listener) {
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) != 0) {
    perror("synchronous wake-up");
    return 2;
  }
  for (;;) {
    struct seccomp_notif notification;
    memset(&notification, 0, sizeof notification);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) return errno == ENOENT ? 0 : 2;
    struct seccomp_notif_resp response = {.id = notification.id, .error = -EPERM};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0 && errno != ENOENT) return 2;
  }
}

static void enter_cgroup(const char* processes) {
  const int fd = open(processes, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) broken(processes);
  close(fd);
}

int main(int argc, char** argv) {
  const int threads = argc > 2 ? atoi(argv[2]) : 1;
  if (argc < 2 || threads < 1) {
    fprintf(stderr, "usage: time_floor COUNT [THREADS [PROCESSES...]]\n");
    return 2;
  }
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) return 2;
  const pid_t target = fork();
  if (target < 0) return 2;
  if (target == 0) {
    for (int i = 3; i < argc; ++i) enter_cgroup(argv[i]);
    const int listener = install_filter();
    const int failed = listener < 0 || write(sockets[0], &listener, sizeof listener) != sizeof listener;
    char go;
    if (failed || read(sockets[0], &go, 1) != 1) _exit(2);
    // The last reference besides the supervisor's must go, or the end is never seen.
    close(listener);
    const int result = time_calls(atol(argv[1]), EPERM, threads);
    fflush(stdout);
    _exit(result);
  }
  // So that the target's end is seen, should it come before that of its preparations.
  close(sockets[0]);
  int number = -1;
  if (read(sockets[1], &number, sizeof number) != sizeof number) return 2;
  const int pidfd = (int)syscall(SYS_pidfd_open, target, 0);
  const int listener = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
  if (listener < 0 || write(sockets[1], "g", 1) != 1) return 2;
  const int served = serve(listener);
  int status = 0;
  waitpid(target, &status, 0);
  return served != 0 ? served : WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
