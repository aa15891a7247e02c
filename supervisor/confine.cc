#include "supervisor/confine.h"

#include <asm/ioctls.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace tidewaiter::supervisor {
namespace {

constexpr std::array kOfWorker = {
    CAP_CHOWN,
    CAP_FOWNER,  // the bundle's config, put back as it was
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,   // files that targets name, in their folders; bundles of others
    CAP_SYS_PTRACE,        // their memory, descriptors, links in /proc
    CAP_KILL,              // who is to be killed; SIGPIPE
    CAP_NET_BIND_SERVICE,  // binding for who has it; given up for others (kernel.cc)
    CAP_SETUID,
    CAP_SETGID,
    CAP_SYS_ADMIN,  // to name the target as the sender (SCM_CREDENTIALS)
    CAP_NET_ADMIN,  // to ask whose a socket's network is (SIOCGSKNS)
};

constexpr std::array kOfTracer = {
    CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH,  // to trace; what a thread executes
    CAP_KILL,                             // whom it cannot let go on
    CAP_SYS_ADMIN,                        // to pass over a stand-in's filter (PTRACE_O_SUSPEND_SECCOMP)
};

constexpr std::array kRefused = {
    // other programs and processes
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_writev", "process_madvise", "kcmp",
    "userfaultfd",
    // other files and namespaces
    "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
    "pivot_root", "chroot", "setns", "unshare", "open_by_handle_at", "mknod", "mknodat", "fanotify_init",
    "quotactl", "quotactl_fd", "acct", "swapon", "swapoff",
    // calls that no filter sees
    "io_uring_setup", "io_uring_enter", "io_uring_register",
    // the kernel
    "bpf", "perf_event_open", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
    "reboot", "iopl", "ioperm", "modify_ldt", "personality", "syslog", "settimeofday", "clock_settime",
    "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "vhangup", "add_key", "request_key",
    "keyctl", "move_pages", "migrate_pages", "lookup_dcookie", "nfsservctl", "uselib"};

Status keep_capabilities(std::span<const cap_value_t> kept) {
  using Set = std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)>;
  const Set before(::cap_get_proc(), ::cap_free);
  const Set after(::cap_init(), ::cap_free);
  if (before == nullptr || after == nullptr) return fail(errno, "capabilities");
  for (const cap_value_t each : kept) {
    cap_flag_value_t has = CAP_CLEAR;
    // An ordinary user's agent has none, and a container's perhaps some.
    if (::cap_get_flag(before.get(), each, CAP_PERMITTED, &has) != 0 || has == CAP_CLEAR) continue;
    if (::cap_set_flag(after.get(), CAP_PERMITTED, 1, &each, CAP_SET) != 0 ||
        ::cap_set_flag(after.get(), CAP_EFFECTIVE, 1, &each, CAP_SET) != 0) {
      return fail(errno, "cap_set_flag");
    }
  }
  if (::cap_set_proc(after.get()) != 0) return fail(errno, "cap_set_proc");
  // Root would get them back by executing something.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail(errno, "no_new_privs");
  return {};
}

struct scmp_arg_cmp argument(unsigned index, scmp_compare comparison, std::uint64_t a, std::uint64_t b = 0) {
  return {.arg = index, .op = comparison, .datum_a = a, .datum_b = b};
}

// Of an int the kernel looks at the lower half.
struct scmp_arg_cmp is(unsigned index, std::uint64_t value) {
  constexpr std::uint64_t kLowerHalf = 0xffffffff;
  return argument(index, SCMP_CMP_MASKED_EQ, kLowerHalf, value);
}

Status checked(int result, const std::string& what) {
  if (result < 0) return fail(-result, what);
  return {};
}

}  // namespace

Status confine_worker() { return keep_capabilities(kOfWorker); }

Status confine_tracer() { return keep_capabilities(kOfTracer); }

Status install_worker_filter() {
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(::seccomp_init(SCMP_ACT_ALLOW),
                                                                ::seccomp_release);
  if (filter == nullptr) return fail(ENOMEM, "seccomp_init");
  for (const char* const name : kRefused) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) continue;  // newer than the library, or not of this architecture
    TRY(checked(::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), number, 0), name));
  }
  // A thread of its own it may have, no process, and no namespace. Of clone3(2) nobody sees the flags, and
  // the C library tries the other where there is none.
  constexpr std::uint64_t kThread = CLONE_THREAD;
  TRY(checked(::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                 argument(0, SCMP_CMP_MASKED_EQ, kThread, 0)),
              "clone"));
  for (const std::uint64_t space :
       std::initializer_list<std::uint64_t>{CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                            CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET}) {
    TRY(checked(::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                   argument(0, SCMP_CMP_MASKED_EQ, space, space)),
                "clone"));
  }
  // Names are asked for over UDP and TCP, and of interfaces rtnetlink tells.
  for (const std::uint64_t family :
       std::initializer_list<std::uint64_t>{AF_PACKET, AF_ALG, AF_VSOCK, AF_XDP}) {
    TRY(checked(
        ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, is(0, family)),
        "socket"));
  }
  TRY(checked(::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket), 2,
                                 is(0, AF_NETLINK), argument(2, SCMP_CMP_NE, NETLINK_ROUTE)),
              "socket"));
  // To type into a terminal.
  for (const std::uint64_t request : std::initializer_list<std::uint64_t>{TIOCSTI, TIOCLINUX}) {
    TRY(checked(::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, is(1, request)),
                "ioctl"));
  }
  if (const int number = ::seccomp_syscall_resolve_name("clone3"); number != __NR_SCMP_ERROR) {
    TRY(checked(::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), number, 0), "clone3"));
  }
  return checked(::seccomp_load(filter.get()), "seccomp_load");
}

}  // namespace tidewaiter::supervisor
