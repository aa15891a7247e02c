#include "oci/seccomp/architecture.h"

#include <linux/audit.h>
#include <seccomp.h>

#include <algorithm>

#include "oci/seccomp/filter_context.h"

namespace tidewaiter::seccomp {
namespace {

struct SecondAbi {
  std::uint32_t native;
  std::string_view name;
};

constexpr SecondAbi kSecondAbis[] = {
    {SCMP_ARCH_X86_64, "SCMP_ARCH_X86"},      {SCMP_ARCH_X86_64, "SCMP_ARCH_X32"},
    {SCMP_ARCH_AARCH64, "SCMP_ARCH_ARM"},     {SCMP_ARCH_S390X, "SCMP_ARCH_S390"},
    {SCMP_ARCH_MIPS64, "SCMP_ARCH_MIPS"},     {SCMP_ARCH_MIPS64, "SCMP_ARCH_MIPS64N32"},
    {SCMP_ARCH_MIPSEL64, "SCMP_ARCH_MIPSEL"}, {SCMP_ARCH_MIPSEL64, "SCMP_ARCH_MIPSEL64N32"},
};

// What socketcall(2) and ipc(2) reach.
constexpr std::string_view kSocketCalls[] = {
    "accept",  "accept4", "bind",       "connect",  "getpeername", "getsockname", "getsockopt",
    "listen",  "recv",    "recvfrom",   "recvmmsg", "recvmsg",     "send",        "sendmmsg",
    "sendmsg", "sendto",  "setsockopt", "shutdown", "socket",      "socketcall",  "socketpair",
};
constexpr std::string_view kIpcCalls[] = {
    "ipc",   "msgctl",     "msgget", "msgrcv", "msgsnd", "semctl", "semget",
    "semop", "semtimedop", "shmat",  "shmctl", "shmdt",  "shmget",
};

struct Spelling {
  std::string_view variant;  // an older or 32-bit ABI's name …
  std::string_view call;     // … for what this call does
};

// Whether an ABI has a variant is libseccomp's to say. What both ABIs have (x86-64 has open and openat) is
// the policy's own business; this is for what a policy written for the native ABI cannot be expected to name.
constexpr Spelling kSpellings[] = {
    {"_llseek", "lseek"},
    {"_newselect", "pselect6"},
    {"_newselect", "select"},
    {"access", "faccessat"},
    {"arm_fadvise64_64", "fadvise64"},
    {"arm_sync_file_range", "sync_file_range"},
    {"chmod", "fchmodat"},
    {"chown", "fchownat"},
    {"chown32", "chown"},
    {"chown32", "fchownat"},
    {"clock_adjtime64", "clock_adjtime"},
    {"clock_getres_time64", "clock_getres"},
    {"clock_gettime64", "clock_gettime"},
    {"clock_nanosleep_time64", "clock_nanosleep"},
    {"clock_settime64", "clock_settime"},
    {"creat", "openat"},
    {"dup2", "dup3"},
    {"epoll_create", "epoll_create1"},
    {"epoll_wait", "epoll_pwait"},
    {"eventfd", "eventfd2"},
    {"fadvise64_64", "fadvise64"},
    {"fchown32", "fchown"},
    {"fcntl64", "fcntl"},
    {"fork", "clone"},
    {"fstat64", "fstat"},
    {"fstatat64", "newfstatat"},
    {"fstatfs64", "fstatfs"},
    {"ftruncate64", "ftruncate"},
    {"futex_time64", "futex"},
    {"futimesat", "utimensat"},
    {"getdents", "getdents64"},
    {"getegid32", "getegid"},
    {"geteuid32", "geteuid"},
    {"getgid32", "getgid"},
    {"getgroups32", "getgroups"},
    {"getpgrp", "getpgid"},
    {"getresgid32", "getresgid"},
    {"getresuid32", "getresuid"},
    {"getuid32", "getuid"},
    {"inotify_init", "inotify_init1"},
    {"io_pgetevents_time64", "io_pgetevents"},
    {"lchown", "fchownat"},
    {"lchown32", "fchownat"},
    {"lchown32", "lchown"},
    {"link", "linkat"},
    {"lstat", "newfstatat"},
    {"lstat64", "lstat"},
    {"lstat64", "newfstatat"},
    {"mkdir", "mkdirat"},
    {"mknod", "mknodat"},
    {"mmap2", "mmap"},
    {"mq_timedreceive_time64", "mq_timedreceive"},
    {"mq_timedsend_time64", "mq_timedsend"},
    {"nice", "setpriority"},
    {"oldfstat", "fstat"},
    {"oldlstat", "lstat"},
    {"oldolduname", "uname"},
    {"oldstat", "stat"},
    {"olduname", "uname"},
    {"open", "openat"},
    {"pipe", "pipe2"},
    {"poll", "ppoll"},
    {"ppoll_time64", "ppoll"},
    {"pselect6_time64", "pselect6"},
    {"readdir", "getdents"},
    {"readdir", "getdents64"},
    {"readlink", "readlinkat"},
    {"recv", "recvfrom"},
    {"recvmmsg_time64", "recvmmsg"},
    {"rename", "renameat"},
    {"rename", "renameat2"},
    {"rmdir", "unlinkat"},
    {"rt_sigtimedwait_time64", "rt_sigtimedwait"},
    {"sched_rr_get_interval_time64", "sched_rr_get_interval"},
    {"semtimedop_time64", "semtimedop"},
    {"send", "sendto"},
    {"sendfile64", "sendfile"},
    {"setfsgid32", "setfsgid"},
    {"setfsuid32", "setfsuid"},
    {"setgid32", "setgid"},
    {"setgroups32", "setgroups"},
    {"setregid32", "setregid"},
    {"setresgid32", "setresgid"},
    {"setresuid32", "setresuid"},
    {"setreuid32", "setreuid"},
    {"setuid32", "setuid"},
    {"sigaction", "rt_sigaction"},
    {"signal", "rt_sigaction"},
    {"signalfd", "signalfd4"},
    {"sigpending", "rt_sigpending"},
    {"sigprocmask", "rt_sigprocmask"},
    {"sigreturn", "rt_sigreturn"},
    {"sigsuspend", "rt_sigsuspend"},
    {"stat", "newfstatat"},
    {"stat64", "newfstatat"},
    {"stat64", "stat"},
    {"statfs64", "statfs"},
    {"stime", "settimeofday"},
    {"symlink", "symlinkat"},
    {"timer_gettime64", "timer_gettime"},
    {"timer_settime64", "timer_settime"},
    {"timerfd_gettime64", "timerfd_gettime"},
    {"timerfd_settime64", "timerfd_settime"},
    {"truncate64", "truncate"},
    {"ugetrlimit", "getrlimit"},
    {"umount", "umount2"},
    {"unlink", "unlinkat"},
    {"utime", "utimensat"},
    {"utimensat_time64", "utimensat"},
    {"utimes", "utimensat"},
    {"vfork", "clone"},
    {"waitpid", "wait4"},
};

template <std::size_t N>
bool contains(const std::string_view (&list)[N], std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

}  // namespace

std::uint32_t Architecture::audit_arch() const {
  return token == SCMP_ARCH_X32 ? static_cast<std::uint32_t>(AUDIT_ARCH_X86_64) : token;
}

bool Architecture::compares_64_bits() const {
  return (token & __AUDIT_ARCH_64BIT) != 0 && token != SCMP_ARCH_MIPS64N32 && token != SCMP_ARCH_MIPSEL64N32;
}

std::optional<std::uint32_t> Architecture::number(const std::string& syscall) const {
  const auto number = syscall_number(token, syscall);
  if (!number || *number < 0) return std::nullopt;  // negative: libseccomp's own, for calls that are not here
  return static_cast<std::uint32_t>(*number);
}

std::string_view Architecture::multiplexer(const std::string& syscall) const {
  if (contains(kSocketCalls, syscall) && number("socketcall")) return "socketcall";
  if (contains(kIpcCalls, syscall) && number("ipc")) return "ipc";
  return {};
}

std::vector<std::string> reached_through(std::string_view multiplexer) {
  if (multiplexer == "socketcall") return {std::begin(kSocketCalls), std::end(kSocketCalls)};
  if (multiplexer == "ipc") return {std::begin(kIpcCalls), std::end(kIpcCalls)};
  return {};
}

std::vector<std::string> second_abis() {
  std::vector<std::string> names;
  for (const SecondAbi& row : kSecondAbis)
    if (row.native == native_architecture()) names.emplace_back(row.name);
  return names;
}

std::vector<std::string> other_spellings(std::string_view syscall) {
  std::vector<std::string> names;
  for (const Spelling& row : kSpellings)
    if (row.call == syscall) names.emplace_back(row.variant);
  return names;
}

}  // namespace tidewaiter::seccomp
