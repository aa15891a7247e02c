// go_past WAY: does what a policy's baseline refuses, so that it works where nothing refuses it. Prints
// "WAY: ok" or "WAY: EPERM".
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "probe.h"

static long keep_errno(long result, pid_t child) {
  const int saved = errno;
  if (child > 0) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  errno = saved;
  return result;
}

// A child that waits for its end.
static pid_t start_child(void) {
  const pid_t child = fork();
  if (child < 0) broken("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  return child;
}

static long userfaultfd(void) { return syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY); }

static long clone3_child(void) {
  struct clone_args arguments = {.exit_signal = SIGCHLD};
  const long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(0);
  return keep_errno(child, (pid_t)child);
}

static long clone_with(unsigned long flags) {
  const long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return keep_errno(child, (pid_t)child);
}
static long clone_user(void) { return clone_with(CLONE_NEWUSER); }
static long clone_mounts(void) { return clone_with(CLONE_NEWNS); }
static long clone_nothing(void) { return clone_with(0); }

static long unshare_user(void) { return unshare(CLONE_NEWUSER); }
static long unshare_network(void) { return unshare(CLONE_NEWNET); }
static long unshare_files(void) { return unshare(CLONE_FILES); }

static long join(void) {
  const int own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
  if (own < 0) broken("/proc/self/ns/uts");
  return setns(own, 0);
}

static long trace(void) {
  const pid_t child = start_child();
  return keep_errno(ptrace(PTRACE_SEIZE, child, NULL, NULL), child);
}

static long write_memory(void) {
  static volatile int word;
  const pid_t child = start_child();
  int value = 1;
  const struct iovec from = {&value, sizeof value};
  const struct iovec to = {(void*)&word, sizeof word};
  return keep_errno(process_vm_writev(child, &from, 1, &to, 1, 0), child);
}

static long write_proc_memory(void) {
  static volatile int word;
  char path[64];
  const pid_t child = start_child();
  snprintf(path, sizeof path, "/proc/%d/mem", child);
  const int memory = open(path, O_WRONLY | O_CLOEXEC);
  if (memory < 0) return keep_errno(-1, child);
  const int value = 1;
  return keep_errno(pwrite(memory, &value, sizeof value, (off_t)(uintptr_t)&word), child);
}

static long take_descriptor(void) {
  const pid_t child = start_child();
  const int handle = (int)syscall(SYS_pidfd_open, child, 0);
  if (handle < 0) broken("pidfd_open");
  return keep_errno(syscall(SYS_pidfd_getfd, handle, 0, 0), child);
}

static long open_by_handle(void) {
  union {
    struct file_handle handle;
    char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
  } buffer = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
  int mount = 0;
  if (name_to_handle_at(AT_FDCWD, "/probes", &buffer.handle, &mount, 0) < 0) broken("name_to_handle_at");
  const int top = open("/", O_RDONLY | O_DIRECTORY);
  if (top < 0) broken("/");
  return open_by_handle_at(top, &buffer.handle, O_RDONLY);
}

static long listener(void) {
  struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const struct sock_fprog program = {1, allow};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) broken("no_new_privs");
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static long filter(void) {
  struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const struct sock_fprog program = {1, allow};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) broken("no_new_privs");
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static long bpf_map(void) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}

static long mount_tmpfs(void) { return mount("none", "/tmp", "tmpfs", 0, NULL); }
static long unmount(void) { return umount2("/dev/mqueue", MNT_DETACH); }
static long open_file_system(void) { return syscall(SYS_fsopen, "tmpfs", 0); }
static long copy_mount(void) { return syscall(SYS_open_tree, AT_FDCWD, "/dev", OPEN_TREE_CLONE); }
static long change_root(void) { return chroot("/dev"); }
static long look_at_mount(void) { return syscall(SYS_open_tree, AT_FDCWD, "/dev", OPEN_TREE_CLOEXEC); }

static const struct {
  const char* name;
  long (*go)(void);
} kWays[] = {
    {"userfaultfd", userfaultfd},
    {"clone3", clone3_child},
    {"clone_user", clone_user},
    {"clone_mounts", clone_mounts},
    {"clone", clone_nothing},
    {"unshare_user", unshare_user},
    {"unshare_network", unshare_network},
    {"unshare_files", unshare_files},
    {"setns", join},
    {"ptrace", trace},
    {"process_vm_writev", write_memory},
    {"proc_writes", write_proc_memory},
    {"pidfd_getfd", take_descriptor},
    {"open_by_handle_at", open_by_handle},
    {"listener", listener},
    {"filter", filter},
    {"bpf", bpf_map},
    {"mount", mount_tmpfs},
    {"umount2", unmount},
    {"fsopen", open_file_system},
    {"open_tree_clone", copy_mount},
    {"chroot", change_root},
    {"open_tree", look_at_mount},
};

int main(int argc, char** argv) {
  if (argc != 2) usage("WAY");
  for (size_t i = 0; i < sizeof kWays / sizeof *kWays; i++) {
    if (strcmp(kWays[i].name, argv[1]) != 0) continue;
    errno = 0;
    const long result = kWays[i].go();
    return report(argv[1], result);
  }
  usage("WAY");
}
