#include "oci/policy/syscalls.h"

#include <algorithm>
#include <concepts>
#include <iterator>

namespace tidewaiter::policy {
namespace {

using enum Category;

// never_notify: a signal that arrives before the agent has received a notification takes the caller out of
// the call, which then fails or starts again.
constexpr std::string_view kLosesDescriptors =
    "a signal could interrupt it, programs do not retry it, and a descriptor left open makes pipelines hang";
constexpr std::string_view kNeverReturns =
    "a signal could interrupt it, and it would come back to code that does not go on";
constexpr std::string_view kForks = "a signal could interrupt it, and programs do not expect that of it";
constexpr std::string_view kSignals =
    "it is part of how the kernel delivers signals and must not be interrupted by one";

constexpr std::string_view kNothingStarts =
    "no program starts without it, the container's first one included";
constexpr std::string_view kNothingEnds = "no program could end";
constexpr std::string_view kNoReturn = "no program could return from a signal handler";
constexpr std::string_view kNoRestart =
    "the kernel makes it for a program that was stopped while it slept, and that would then fail";

consteval std::uint8_t arguments(std::same_as<int> auto... indices) {
  return static_cast<std::uint8_t>((0U | ... | (1U << static_cast<unsigned>(indices))));
}

constexpr SyscallEntry kSyscalls[] = {
    {.name = "accept", .category = kNetwork, .narrow = arguments(0)},
    {.name = "accept4", .category = kNetwork, .narrow = arguments(0, 3)},
    {.name = "access", .category = kFile},
    {.name = "acct", .category = kProcess},
    {.name = "add_key", .category = kProcess, .narrow = arguments(4)},
    {.name = "adjtimex", .category = kProcess},
    {.name = "arch_prctl", .category = kProcess},
    {.name = "bind", .category = kNetwork, .operation = Operation::kBind, .narrow = arguments(0, 2)},
    {.name = "bpf", .category = kProcess, .narrow = arguments(0, 2)},
    {.name = "brk", .category = kMemory},
    {.name = "capget", .category = kProcess, .made_while_starting = true},
    {.name = "capset", .category = kProcess, .made_while_starting = true},
    {.name = "chdir", .category = kFile, .made_while_starting = true},
    {.name = "chmod", .category = kFile},
    {.name = "chown", .category = kFile, .narrow = arguments(1, 2)},
    {.name = "chown32", .category = kFile},
    {.name = "chroot", .category = kFile},
    {.name = "clock_adjtime", .category = kProcess, .narrow = arguments(0)},
    {.name = "clock_settime", .category = kProcess, .narrow = arguments(0)},
    {.name = "clone", .category = kProcess, .narrow = arguments(0), .never_notify = kForks},
    {.name = "clone3", .category = kProcess, .never_notify = kForks},
    {.name = "close",
     .category = kFile,
     .narrow = arguments(0),
     .made_while_starting = true,
     .never_notify = kLosesDescriptors},
    {.name = "close_range",
     .category = kFile,
     .narrow = arguments(0, 1, 2),
     .never_notify = kLosesDescriptors},
    {.name = "connect", .category = kNetwork, .operation = Operation::kConnect, .narrow = arguments(0, 2)},
    {.name = "copy_file_range", .category = kFile, .narrow = arguments(0, 2, 5)},
    {.name = "creat", .category = kFile},
    {.name = "delete_module", .category = kProcess, .narrow = arguments(1)},
    {.name = "dup", .category = kFile, .narrow = arguments(0)},
    {.name = "dup2", .category = kFile, .narrow = arguments(0, 1)},
    {.name = "dup3", .category = kFile, .narrow = arguments(0, 1, 2)},
    {.name = "execve", .category = kProcess, .never_refuse = kNothingStarts},
    {.name = "execveat", .category = kProcess, .narrow = arguments(0, 4)},
    {.name = "exit",
     .category = kProcess,
     .narrow = arguments(0),
     .never_notify = kNeverReturns,
     .never_refuse = kNothingEnds},
    {.name = "exit_group",
     .category = kProcess,
     .narrow = arguments(0),
     .never_notify = kNeverReturns,
     .never_refuse = kNothingEnds},
    {.name = "faccessat", .category = kFile, .narrow = arguments(0, 2)},
    {.name = "faccessat2", .category = kFile, .narrow = arguments(0, 2, 3)},
    {.name = "fadvise64", .category = kFile, .narrow = arguments(0, 3)},
    {.name = "fallocate", .category = kFile, .narrow = arguments(0, 1)},
    {.name = "fanotify_init", .category = kFile, .narrow = arguments(0, 1)},
    {.name = "fanotify_mark", .category = kFile, .narrow = arguments(0, 1, 3)},
    {.name = "fchdir", .category = kFile, .narrow = arguments(0), .made_while_starting = true},
    {.name = "fchmod", .category = kFile, .narrow = arguments(0)},
    {.name = "fchmodat", .category = kFile, .narrow = arguments(0)},
    {.name = "fchmodat2", .category = kFile, .narrow = arguments(0, 3)},
    {.name = "fchown", .category = kFile, .narrow = arguments(0, 1, 2)},
    {.name = "fchownat", .category = kFile, .narrow = arguments(0, 2, 3, 4)},
    {.name = "fcntl", .category = kFile, .narrow = arguments(0, 1), .made_while_starting = true},
    {.name = "fcntl64", .category = kFile},
    {.name = "fdatasync", .category = kFile, .narrow = arguments(0)},
    {.name = "fgetxattr", .category = kFile, .narrow = arguments(0)},
    {.name = "finit_module", .category = kProcess, .narrow = arguments(0, 2)},
    {.name = "flistxattr", .category = kFile, .narrow = arguments(0)},
    {.name = "flock", .category = kFile, .narrow = arguments(0, 1)},
    {.name = "fork", .category = kProcess, .never_notify = kForks},
    {.name = "fremovexattr", .category = kFile, .narrow = arguments(0)},
    {.name = "fsconfig", .category = kFile, .narrow = arguments(0, 1, 4)},
    {.name = "fsetxattr", .category = kFile, .narrow = arguments(0, 4)},
    {.name = "fsmount", .category = kFile, .narrow = arguments(0, 1, 2)},
    {.name = "fsopen", .category = kFile, .narrow = arguments(1)},
    {.name = "fspick", .category = kFile, .narrow = arguments(0, 2)},
    {.name = "fstat", .category = kFile, .narrow = arguments(0), .made_while_starting = true},
    {.name = "fstat64", .category = kFile},
    {.name = "fstatfs", .category = kFile, .narrow = arguments(0)},
    {.name = "fsync", .category = kFile, .narrow = arguments(0)},
    {.name = "ftruncate", .category = kFile, .narrow = arguments(0)},
    {.name = "ftruncate64", .category = kFile},
    {.name = "futimesat", .category = kFile},
    {.name = "get_mempolicy", .category = kMemory},
    {.name = "getcwd", .category = kFile},
    {.name = "getdents", .category = kFile, .narrow = arguments(0, 2)},
    {.name = "getdents64", .category = kFile, .narrow = arguments(0, 2), .made_while_starting = true},
    {.name = "getpeername", .category = kNetwork, .narrow = arguments(0)},
    {.name = "getsockname", .category = kNetwork, .narrow = arguments(0)},
    {.name = "getsockopt", .category = kNetwork, .narrow = arguments(0, 1, 2)},
    {.name = "getxattr", .category = kFile},
    {.name = "init_module", .category = kProcess},
    {.name = "inotify_add_watch", .category = kFile, .narrow = arguments(0, 2)},
    {.name = "inotify_init", .category = kFile},
    {.name = "inotify_init1", .category = kFile, .narrow = arguments(0)},
    {.name = "inotify_rm_watch", .category = kFile, .narrow = arguments(0, 1)},
    {.name = "io_uring_enter", .category = kFile, .narrow = arguments(0, 1, 2, 3)},
    {.name = "io_uring_register", .category = kFile, .narrow = arguments(0, 1, 3)},
    {.name = "io_uring_setup", .category = kFile, .narrow = arguments(0)},
    {.name = "ioctl", .category = kFile, .narrow = arguments(0, 1)},
    {.name = "ioperm", .category = kProcess, .narrow = arguments(2)},
    {.name = "iopl", .category = kProcess, .narrow = arguments(0)},
    {.name = "ioprio_set", .category = kProcess, .narrow = arguments(0, 1, 2)},
    {.name = "kcmp", .category = kProcess, .narrow = arguments(0, 1, 2)},
    {.name = "kexec_file_load", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "kexec_load", .category = kProcess},
    {.name = "keyctl", .category = kProcess, .narrow = arguments(0), .made_while_starting = true},
    {.name = "kill", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "landlock_add_rule", .category = kProcess, .narrow = arguments(0, 1, 3)},
    {.name = "landlock_create_ruleset", .category = kProcess, .narrow = arguments(2)},
    {.name = "landlock_restrict_self", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "lchown", .category = kFile, .narrow = arguments(1, 2)},
    {.name = "lgetxattr", .category = kFile},
    {.name = "link", .category = kFile},
    {.name = "linkat", .category = kFile, .narrow = arguments(0, 2, 4)},
    {.name = "listen", .category = kNetwork, .narrow = arguments(0, 1)},
    {.name = "listxattr", .category = kFile},
    {.name = "llistxattr", .category = kFile},
    {.name = "lremovexattr", .category = kFile},
    {.name = "lseek", .category = kFile, .narrow = arguments(0, 2), .made_while_starting = true},
    {.name = "lsetxattr", .category = kFile, .narrow = arguments(4)},
    {.name = "lstat", .category = kFile},
    {.name = "lstat64", .category = kFile},
    {.name = "madvise", .category = kMemory, .narrow = arguments(2)},
    {.name = "map_shadow_stack", .category = kMemory},
    {.name = "mbind", .category = kMemory},
    {.name = "membarrier", .category = kMemory, .narrow = arguments(0, 1, 2)},
    {.name = "memfd_create", .category = kMemory, .narrow = arguments(1)},
    {.name = "memfd_secret", .category = kMemory, .narrow = arguments(0)},
    {.name = "migrate_pages", .category = kMemory},
    {.name = "mincore", .category = kMemory},
    {.name = "mkdir", .category = kFile},
    {.name = "mkdirat", .category = kFile, .narrow = arguments(0)},
    {.name = "mknod", .category = kFile, .narrow = arguments(2)},
    {.name = "mknodat", .category = kFile, .narrow = arguments(0, 3)},
    {.name = "mlock", .category = kMemory},
    {.name = "mlock2", .category = kMemory, .narrow = arguments(2)},
    {.name = "mlockall", .category = kMemory, .narrow = arguments(0)},
    {.name = "mmap", .category = kMemory},
    {.name = "mmap2", .category = kMemory},
    {.name = "modify_ldt", .category = kProcess},
    {.name = "mount", .category = kFile},
    {.name = "mount_setattr", .category = kFile, .narrow = arguments(0, 2)},
    {.name = "move_mount", .category = kFile, .narrow = arguments(0, 2, 4)},
    {.name = "move_pages", .category = kMemory},
    {.name = "mprotect", .category = kMemory},
    {.name = "mremap", .category = kMemory},
    {.name = "mseal", .category = kMemory},
    {.name = "msync", .category = kMemory, .narrow = arguments(2)},
    {.name = "munlock", .category = kMemory},
    {.name = "munlockall", .category = kMemory},
    {.name = "munmap", .category = kMemory},
    {.name = "name_to_handle_at", .category = kFile, .narrow = arguments(0, 4)},
    {.name = "newfstatat", .category = kFile, .narrow = arguments(0, 3)},
    {.name = "open", .category = kFile, .narrow = arguments(1), .made_while_starting = true},
    {.name = "open_by_handle_at", .category = kFile, .narrow = arguments(0, 2)},
    {.name = "open_tree", .category = kFile, .narrow = arguments(0, 2)},
    {.name = "openat", .category = kFile, .narrow = arguments(0, 2), .made_while_starting = true},
    {.name = "openat2", .category = kFile, .narrow = arguments(0)},
    {.name = "perf_event_open", .category = kProcess, .narrow = arguments(1, 2, 3)},
    {.name = "personality", .category = kProcess, .narrow = arguments(0)},
    {.name = "pidfd_getfd", .category = kProcess, .narrow = arguments(0, 1, 2)},
    {.name = "pidfd_open", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "pidfd_send_signal", .category = kProcess, .narrow = arguments(0, 1, 3)},
    {.name = "pipe", .category = kFile},
    {.name = "pipe2", .category = kFile, .narrow = arguments(1)},
    {.name = "pivot_root", .category = kFile},
    {.name = "pkey_alloc", .category = kMemory},
    {.name = "pkey_free", .category = kMemory, .narrow = arguments(0)},
    {.name = "pkey_mprotect", .category = kMemory, .narrow = arguments(3)},
    {.name = "prctl", .category = kProcess, .narrow = arguments(0), .made_while_starting = true},
    {.name = "pread64", .category = kFile, .narrow = arguments(0)},
    {.name = "preadv", .category = kFile},
    {.name = "preadv2", .category = kFile},
    {.name = "prlimit64", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "process_madvise", .category = kMemory, .narrow = arguments(0, 3, 4)},
    {.name = "process_mrelease", .category = kMemory, .narrow = arguments(0, 1)},
    {.name = "process_vm_readv", .category = kMemory, .narrow = arguments(0)},
    {.name = "process_vm_writev", .category = kMemory, .narrow = arguments(0)},
    {.name = "ptrace", .category = kProcess},
    {.name = "pwrite64", .category = kFile, .narrow = arguments(0)},
    {.name = "pwritev", .category = kFile},
    {.name = "pwritev2", .category = kFile},
    {.name = "quotactl", .category = kFile, .narrow = arguments(0)},
    {.name = "quotactl_fd", .category = kFile, .narrow = arguments(0, 1)},
    {.name = "read", .category = kFile, .narrow = arguments(0), .made_while_starting = true},
    {.name = "readahead", .category = kFile, .narrow = arguments(0)},
    {.name = "readlink", .category = kFile, .narrow = arguments(2)},
    {.name = "readlinkat", .category = kFile, .narrow = arguments(0, 3)},
    {.name = "readv", .category = kFile},
    {.name = "reboot", .category = kProcess, .narrow = arguments(0, 1, 2)},
    {.name = "recv", .category = kNetwork},
    {.name = "recvfrom", .category = kNetwork, .narrow = arguments(0, 3)},
    {.name = "recvmmsg", .category = kNetwork, .narrow = arguments(0, 2, 3)},
    {.name = "recvmsg", .category = kNetwork, .narrow = arguments(0, 2)},
    {.name = "remap_file_pages", .category = kMemory},
    {.name = "removexattr", .category = kFile},
    {.name = "rename", .category = kFile},
    {.name = "renameat", .category = kFile, .narrow = arguments(0, 2)},
    {.name = "renameat2", .category = kFile, .narrow = arguments(0, 2, 4)},
    {.name = "request_key", .category = kProcess, .narrow = arguments(3)},
    {.name = "restart_syscall", .category = kProcess, .never_notify = kSignals, .never_refuse = kNoRestart},
    {.name = "rmdir", .category = kFile},
    {.name = "rt_sigqueueinfo", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "rt_sigreturn", .category = kProcess, .never_notify = kSignals, .never_refuse = kNoReturn},
    {.name = "rt_tgsigqueueinfo", .category = kProcess, .narrow = arguments(0, 1, 2)},
    {.name = "sched_setaffinity", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "sched_setattr", .category = kProcess, .narrow = arguments(0, 2)},
    {.name = "sched_setparam", .category = kProcess, .narrow = arguments(0)},
    {.name = "sched_setscheduler", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "seccomp", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "send", .category = kNetwork},
    {.name = "sendfile", .category = kFile, .narrow = arguments(0, 1)},
    {.name = "sendfile64", .category = kFile},
    {.name = "sendmmsg", .category = kNetwork, .narrow = arguments(0, 2, 3)},
    {.name = "sendmsg", .category = kNetwork, .narrow = arguments(0, 2)},
    {.name = "sendto", .category = kNetwork, .narrow = arguments(0, 3, 5)},
    {.name = "set_mempolicy", .category = kMemory},
    {.name = "setdomainname", .category = kProcess, .narrow = arguments(1)},
    {.name = "setfsgid", .category = kProcess, .narrow = arguments(0)},
    {.name = "setfsuid", .category = kProcess, .narrow = arguments(0)},
    {.name = "setgid", .category = kProcess, .narrow = arguments(0), .made_while_starting = true},
    {.name = "setgroups", .category = kProcess, .narrow = arguments(0), .made_while_starting = true},
    {.name = "sethostname", .category = kProcess, .narrow = arguments(1)},
    {.name = "setns", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "setpgid", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "setpriority", .category = kProcess, .narrow = arguments(0, 1, 2)},
    {.name = "setregid", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "setresgid", .category = kProcess, .narrow = arguments(0, 1, 2), .made_while_starting = true},
    {.name = "setresuid", .category = kProcess, .narrow = arguments(0, 1, 2), .made_while_starting = true},
    {.name = "setreuid", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "setrlimit", .category = kProcess, .narrow = arguments(0)},
    {.name = "setsid", .category = kProcess, .made_while_starting = true},
    {.name = "setsockopt", .category = kNetwork, .narrow = arguments(0, 1, 2, 4)},
    {.name = "settimeofday", .category = kProcess},
    {.name = "setuid", .category = kProcess, .narrow = arguments(0), .made_while_starting = true},
    {.name = "setxattr", .category = kFile, .narrow = arguments(4)},
    {.name = "shmat", .category = kMemory, .narrow = arguments(0, 2)},
    {.name = "shmctl", .category = kMemory, .narrow = arguments(0, 1)},
    {.name = "shmdt", .category = kMemory},
    {.name = "shmget", .category = kMemory, .narrow = arguments(0, 2)},
    {.name = "shutdown", .category = kNetwork, .narrow = arguments(0, 1)},
    {.name = "sigreturn", .category = kProcess, .never_notify = kSignals, .never_refuse = kNoReturn},
    {.name = "socket", .category = kNetwork, .narrow = arguments(0, 1, 2)},
    {.name = "socketcall", .category = kNetwork, .narrow = arguments(0)},
    {.name = "socketpair", .category = kNetwork, .narrow = arguments(0, 1, 2)},
    {.name = "splice", .category = kFile, .narrow = arguments(0, 2, 5)},
    {.name = "stat", .category = kFile},
    {.name = "stat64", .category = kFile},
    {.name = "statfs", .category = kFile},
    {.name = "statfs64", .category = kFile},
    {.name = "statx", .category = kFile, .narrow = arguments(0, 2, 3)},
    {.name = "swapoff", .category = kFile},
    {.name = "swapon", .category = kFile, .narrow = arguments(1)},
    {.name = "symlink", .category = kFile},
    {.name = "symlinkat", .category = kFile, .narrow = arguments(1)},
    {.name = "sync", .category = kFile},
    {.name = "sync_file_range", .category = kFile, .narrow = arguments(0, 3)},
    {.name = "syncfs", .category = kFile, .narrow = arguments(0)},
    {.name = "syslog", .category = kProcess, .narrow = arguments(0, 2)},
    {.name = "tee", .category = kFile, .narrow = arguments(0, 1, 3)},
    {.name = "tgkill", .category = kProcess, .narrow = arguments(0, 1, 2)},
    {.name = "tkill", .category = kProcess, .narrow = arguments(0, 1)},
    {.name = "truncate", .category = kFile},
    {.name = "truncate64", .category = kFile},
    {.name = "umask", .category = kFile, .narrow = arguments(0), .made_while_starting = true},
    {.name = "umount", .category = kFile},
    {.name = "umount2", .category = kFile, .narrow = arguments(1)},
    {.name = "unlink", .category = kFile},
    {.name = "unlinkat", .category = kFile, .narrow = arguments(0, 2)},
    {.name = "unshare", .category = kProcess},
    {.name = "userfaultfd", .category = kMemory, .narrow = arguments(0)},
    {.name = "utime", .category = kFile},
    {.name = "utimensat", .category = kFile, .narrow = arguments(0, 3)},
    {.name = "utimes", .category = kFile},
    {.name = "vfork", .category = kProcess, .never_notify = kForks},
    {.name = "vhangup", .category = kProcess},
    {.name = "vmsplice", .category = kFile, .narrow = arguments(0, 3)},
    {.name = "write", .category = kFile, .narrow = arguments(0), .made_while_starting = true},
    {.name = "writev", .category = kFile},
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
