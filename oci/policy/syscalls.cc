#include "oci/policy/syscalls.h"

#include <algorithm>
#include <iterator>

namespace tidewaiter::policy {
namespace {

using enum Category;

// never_notify: a signal that arrives before the agent has received a notification takes the caller out of
// the call, which then fails or starts again.
constexpr std::string_view kLosesDescriptors =
    "programs do not retry it: one that a signal interrupts leaves a descriptor open, and pipelines hang";
constexpr std::string_view kNeverReturns =
    "it never returns: an interrupted one would come back to code that ends there";
constexpr std::string_view kDuplicatesCaller =
    "the kernel never interrupts it, and programs do not expect that it fails with EINTR";
constexpr std::string_view kPartOfSignals =
    "it is part of how the kernel delivers signals and must not be interrupted by one";

constexpr std::string_view kNothingStarts =
    "no program starts without it, the container's first one included";
constexpr std::string_view kNothingEnds = "no program could end";
constexpr std::string_view kNoReturn = "no program could return from a signal handler";
constexpr std::string_view kNoRestart =
    "the kernel makes it for a program that was stopped while it slept, and that would then fail";

constexpr SyscallEntry kSyscalls[] = {
    // clang-format off
    {.name = "accept", .category = kNetwork},
    {.name = "accept4", .category = kNetwork},
    {.name = "access", .category = kFile},
    {.name = "acct", .category = kProcess},
    {.name = "add_key", .category = kProcess},
    {.name = "adjtimex", .category = kProcess},
    {.name = "arch_prctl", .category = kProcess},
    {.name = "bind", .category = kNetwork, .operation = Operation::kBind},
    {.name = "bpf", .category = kProcess},
    {.name = "brk", .category = kMemory},
    {.name = "capset", .category = kProcess},
    {.name = "chdir", .category = kFile},
    {.name = "chmod", .category = kFile},
    {.name = "chown", .category = kFile},
    {.name = "chown32", .category = kFile},
    {.name = "chroot", .category = kFile},
    {.name = "clock_adjtime", .category = kProcess},
    {.name = "clock_settime", .category = kProcess},
    {.name = "clone", .category = kProcess, .never_notify = kDuplicatesCaller},
    {.name = "clone3", .category = kProcess, .never_notify = kDuplicatesCaller},
    {.name = "close", .category = kFile, .never_notify = kLosesDescriptors},
    {.name = "close_range", .category = kFile, .never_notify = kLosesDescriptors},
    {.name = "connect", .category = kNetwork, .operation = Operation::kConnect},
    {.name = "copy_file_range", .category = kFile},
    {.name = "creat", .category = kFile},
    {.name = "delete_module", .category = kProcess},
    {.name = "dup", .category = kFile},
    {.name = "dup2", .category = kFile},
    {.name = "dup3", .category = kFile},
    {.name = "execve", .category = kProcess, .never_refuse = kNothingStarts},
    {.name = "execveat", .category = kProcess},
    {.name = "exit", .category = kProcess, .never_notify = kNeverReturns, .never_refuse = kNothingEnds},
    {.name = "exit_group", .category = kProcess, .never_notify = kNeverReturns, .never_refuse = kNothingEnds},
    {.name = "faccessat", .category = kFile},
    {.name = "faccessat2", .category = kFile},
    {.name = "fadvise64", .category = kFile},
    {.name = "fallocate", .category = kFile},
    {.name = "fanotify_init", .category = kFile},
    {.name = "fanotify_mark", .category = kFile},
    {.name = "fchdir", .category = kFile},
    {.name = "fchmod", .category = kFile},
    {.name = "fchmodat", .category = kFile},
    {.name = "fchmodat2", .category = kFile},
    {.name = "fchown", .category = kFile},
    {.name = "fchownat", .category = kFile},
    {.name = "fcntl", .category = kFile},
    {.name = "fcntl64", .category = kFile},
    {.name = "fdatasync", .category = kFile},
    {.name = "fgetxattr", .category = kFile},
    {.name = "finit_module", .category = kProcess},
    {.name = "flistxattr", .category = kFile},
    {.name = "flock", .category = kFile},
    {.name = "fork", .category = kProcess, .never_notify = kDuplicatesCaller},
    {.name = "fremovexattr", .category = kFile},
    {.name = "fsconfig", .category = kFile},
    {.name = "fsetxattr", .category = kFile},
    {.name = "fsmount", .category = kFile},
    {.name = "fsopen", .category = kFile},
    {.name = "fspick", .category = kFile},
    {.name = "fstat", .category = kFile},
    {.name = "fstat64", .category = kFile},
    {.name = "fstatfs", .category = kFile},
    {.name = "fsync", .category = kFile},
    {.name = "ftruncate", .category = kFile},
    {.name = "ftruncate64", .category = kFile},
    {.name = "futimesat", .category = kFile},
    {.name = "get_mempolicy", .category = kMemory},
    {.name = "getcwd", .category = kFile},
    {.name = "getdents", .category = kFile},
    {.name = "getdents64", .category = kFile},
    {.name = "getpeername", .category = kNetwork},
    {.name = "getsockname", .category = kNetwork},
    {.name = "getsockopt", .category = kNetwork},
    {.name = "getxattr", .category = kFile},
    {.name = "init_module", .category = kProcess},
    {.name = "inotify_add_watch", .category = kFile},
    {.name = "inotify_init", .category = kFile},
    {.name = "inotify_init1", .category = kFile},
    {.name = "inotify_rm_watch", .category = kFile},
    {.name = "io_uring_enter", .category = kFile},
    {.name = "io_uring_register", .category = kFile},
    {.name = "io_uring_setup", .category = kFile},
    {.name = "ioctl", .category = kFile},
    {.name = "ioperm", .category = kProcess},
    {.name = "iopl", .category = kProcess},
    {.name = "ioprio_set", .category = kProcess},
    {.name = "kcmp", .category = kProcess},
    {.name = "kexec_file_load", .category = kProcess},
    {.name = "kexec_load", .category = kProcess},
    {.name = "keyctl", .category = kProcess},
    {.name = "kill", .category = kProcess},
    {.name = "landlock_add_rule", .category = kProcess},
    {.name = "landlock_create_ruleset", .category = kProcess},
    {.name = "landlock_restrict_self", .category = kProcess},
    {.name = "lchown", .category = kFile},
    {.name = "lgetxattr", .category = kFile},
    {.name = "link", .category = kFile},
    {.name = "linkat", .category = kFile},
    {.name = "listen", .category = kNetwork},
    {.name = "listxattr", .category = kFile},
    {.name = "llistxattr", .category = kFile},
    {.name = "lremovexattr", .category = kFile},
    {.name = "lseek", .category = kFile},
    {.name = "lsetxattr", .category = kFile},
    {.name = "lstat", .category = kFile},
    {.name = "lstat64", .category = kFile},
    {.name = "madvise", .category = kMemory},
    {.name = "map_shadow_stack", .category = kMemory},
    {.name = "mbind", .category = kMemory},
    {.name = "membarrier", .category = kMemory},
    {.name = "memfd_create", .category = kMemory},
    {.name = "memfd_secret", .category = kMemory},
    {.name = "migrate_pages", .category = kMemory},
    {.name = "mincore", .category = kMemory},
    {.name = "mkdir", .category = kFile},
    {.name = "mkdirat", .category = kFile},
    {.name = "mknod", .category = kFile},
    {.name = "mknodat", .category = kFile},
    {.name = "mlock", .category = kMemory},
    {.name = "mlock2", .category = kMemory},
    {.name = "mlockall", .category = kMemory},
    {.name = "mmap", .category = kMemory},
    {.name = "mmap2", .category = kMemory},
    {.name = "modify_ldt", .category = kProcess},
    {.name = "mount", .category = kFile},
    {.name = "mount_setattr", .category = kFile},
    {.name = "move_mount", .category = kFile},
    {.name = "move_pages", .category = kMemory},
    {.name = "mprotect", .category = kMemory},
    {.name = "mremap", .category = kMemory},
    {.name = "mseal", .category = kMemory},
    {.name = "msync", .category = kMemory},
    {.name = "munlock", .category = kMemory},
    {.name = "munlockall", .category = kMemory},
    {.name = "munmap", .category = kMemory},
    {.name = "name_to_handle_at", .category = kFile},
    {.name = "newfstatat", .category = kFile},
    {.name = "open", .category = kFile},
    {.name = "open_by_handle_at", .category = kFile},
    {.name = "open_tree", .category = kFile},
    {.name = "openat", .category = kFile},
    {.name = "openat2", .category = kFile},
    {.name = "perf_event_open", .category = kProcess},
    {.name = "personality", .category = kProcess},
    {.name = "pidfd_getfd", .category = kProcess},
    {.name = "pidfd_open", .category = kProcess},
    {.name = "pidfd_send_signal", .category = kProcess},
    {.name = "pipe", .category = kFile},
    {.name = "pipe2", .category = kFile},
    {.name = "pivot_root", .category = kFile},
    {.name = "pkey_alloc", .category = kMemory},
    {.name = "pkey_free", .category = kMemory},
    {.name = "pkey_mprotect", .category = kMemory},
    {.name = "prctl", .category = kProcess},
    {.name = "pread64", .category = kFile},
    {.name = "preadv", .category = kFile},
    {.name = "preadv2", .category = kFile},
    {.name = "prlimit64", .category = kProcess},
    {.name = "process_madvise", .category = kMemory},
    {.name = "process_mrelease", .category = kMemory},
    {.name = "process_vm_readv", .category = kMemory},
    {.name = "process_vm_writev", .category = kMemory},
    {.name = "ptrace", .category = kProcess},
    {.name = "pwrite64", .category = kFile},
    {.name = "pwritev", .category = kFile},
    {.name = "pwritev2", .category = kFile},
    {.name = "quotactl", .category = kFile},
    {.name = "quotactl_fd", .category = kFile},
    {.name = "read", .category = kFile},
    {.name = "readahead", .category = kFile},
    {.name = "readlink", .category = kFile},
    {.name = "readlinkat", .category = kFile},
    {.name = "readv", .category = kFile},
    {.name = "reboot", .category = kProcess},
    {.name = "recv", .category = kNetwork},
    {.name = "recvfrom", .category = kNetwork},
    {.name = "recvmmsg", .category = kNetwork},
    {.name = "recvmsg", .category = kNetwork},
    {.name = "remap_file_pages", .category = kMemory},
    {.name = "removexattr", .category = kFile},
    {.name = "rename", .category = kFile},
    {.name = "renameat", .category = kFile},
    {.name = "renameat2", .category = kFile},
    {.name = "request_key", .category = kProcess},
    {.name = "restart_syscall", .category = kProcess, .never_notify = kPartOfSignals, .never_refuse = kNoRestart},
    {.name = "rmdir", .category = kFile},
    {.name = "rt_sigqueueinfo", .category = kProcess},
    {.name = "rt_sigreturn", .category = kProcess, .never_notify = kPartOfSignals, .never_refuse = kNoReturn},
    {.name = "rt_tgsigqueueinfo", .category = kProcess},
    {.name = "sched_setaffinity", .category = kProcess},
    {.name = "sched_setattr", .category = kProcess},
    {.name = "sched_setparam", .category = kProcess},
    {.name = "sched_setscheduler", .category = kProcess},
    {.name = "seccomp", .category = kProcess},
    {.name = "send", .category = kNetwork},
    {.name = "sendfile", .category = kFile},
    {.name = "sendfile64", .category = kFile},
    {.name = "sendmmsg", .category = kNetwork},
    {.name = "sendmsg", .category = kNetwork},
    {.name = "sendto", .category = kNetwork},
    {.name = "set_mempolicy", .category = kMemory},
    {.name = "setdomainname", .category = kProcess},
    {.name = "setfsgid", .category = kProcess},
    {.name = "setfsuid", .category = kProcess},
    {.name = "setgid", .category = kProcess},
    {.name = "setgroups", .category = kProcess},
    {.name = "sethostname", .category = kProcess},
    {.name = "setns", .category = kProcess},
    {.name = "setpgid", .category = kProcess},
    {.name = "setpriority", .category = kProcess},
    {.name = "setregid", .category = kProcess},
    {.name = "setresgid", .category = kProcess},
    {.name = "setresuid", .category = kProcess},
    {.name = "setreuid", .category = kProcess},
    {.name = "setrlimit", .category = kProcess},
    {.name = "setsid", .category = kProcess},
    {.name = "setsockopt", .category = kNetwork},
    {.name = "settimeofday", .category = kProcess},
    {.name = "setuid", .category = kProcess},
    {.name = "setxattr", .category = kFile},
    {.name = "shmat", .category = kMemory},
    {.name = "shmctl", .category = kMemory},
    {.name = "shmdt", .category = kMemory},
    {.name = "shmget", .category = kMemory},
    {.name = "shutdown", .category = kNetwork},
    {.name = "sigreturn", .category = kProcess, .never_notify = kPartOfSignals, .never_refuse = kNoReturn},
    {.name = "socket", .category = kNetwork},
    {.name = "socketcall", .category = kNetwork},
    {.name = "socketpair", .category = kNetwork},
    {.name = "splice", .category = kFile},
    {.name = "stat", .category = kFile},
    {.name = "stat64", .category = kFile},
    {.name = "statfs", .category = kFile},
    {.name = "statfs64", .category = kFile},
    {.name = "statx", .category = kFile},
    {.name = "swapoff", .category = kFile},
    {.name = "swapon", .category = kFile},
    {.name = "symlink", .category = kFile},
    {.name = "symlinkat", .category = kFile},
    {.name = "sync", .category = kFile},
    {.name = "sync_file_range", .category = kFile},
    {.name = "syncfs", .category = kFile},
    {.name = "syslog", .category = kProcess},
    {.name = "tee", .category = kFile},
    {.name = "tgkill", .category = kProcess},
    {.name = "tkill", .category = kProcess},
    {.name = "truncate", .category = kFile},
    {.name = "truncate64", .category = kFile},
    {.name = "umask", .category = kFile},
    {.name = "umount", .category = kFile},
    {.name = "umount2", .category = kFile},
    {.name = "unlink", .category = kFile},
    {.name = "unlinkat", .category = kFile},
    {.name = "unshare", .category = kProcess},
    {.name = "userfaultfd", .category = kMemory},
    {.name = "utime", .category = kFile},
    {.name = "utimensat", .category = kFile},
    {.name = "utimes", .category = kFile},
    {.name = "vfork", .category = kProcess, .never_notify = kDuplicatesCaller},
    {.name = "vhangup", .category = kProcess},
    {.name = "vmsplice", .category = kFile},
    {.name = "write", .category = kFile},
    {.name = "writev", .category = kFile},
    // clang-format on
};

constexpr bool sorted_and_unique() {
  for (std::size_t i = 1; i < std::size(kSyscalls); ++i)
    if (kSyscalls[i - 1].name >= kSyscalls[i].name) return false;
  return true;
}
static_assert(sorted_and_unique(), "find_syscall searches by halving");

// An operation is supervised by notifying.
constexpr bool operations_may_notify() {
  return std::all_of(std::begin(kSyscalls), std::end(kSyscalls), [](const SyscallEntry& entry) {
    return entry.operation == Operation::kNone || entry.never_notify.empty();
  });
}
static_assert(operations_may_notify());

}  // namespace

std::string_view to_string(Category category) {
  switch (category) {
    case kFile:
      return "file";
    case kNetwork:
      return "network";
    case kProcess:
      return "process";
    case kMemory:
      return "memory";
  }
  return "process";  // not reached: every category returned
}

std::span<const SyscallEntry> syscalls() { return kSyscalls; }

const SyscallEntry* find_syscall(std::string_view name) {
  const auto* found =
      std::lower_bound(std::begin(kSyscalls), std::end(kSyscalls), name,
                       [](const SyscallEntry& entry, std::string_view key) { return entry.name < key; });
  return found != std::end(kSyscalls) && found->name == name ? found : nullptr;
}

}  // namespace tidewaiter::policy
