#include "oci/policy/syscalls.h"

#include <gtest/gtest.h>
#include <seccomp.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

namespace tidewaiter::policy {
namespace {

TEST(Syscalls, NamesEachOnceAndFindsIt) {
  ASSERT_GT(syscalls().size(), 150U);
  for (const SyscallEntry& entry : syscalls()) EXPECT_EQ(find_syscall(entry.name), &entry) << entry.name;
  for (const char* absent : {"", "a", "zzz", "connec", "connectt", "CONNECT"})
    EXPECT_EQ(find_syscall(absent), nullptr) << absent;
}

TEST(Syscalls, AreKnownToLibseccomp) {
  // Newer than libseccomp 2.5.4.
  const std::set<std::string> newer = {
      "fchmodat2",        "file_getattr",      "file_setattr",     "futex_requeue", "futex_wait",
      "futex_wake",       "getxattrat",        "listmount",        "listxattrat",   "lsm_get_self_attr",
      "lsm_list_modules", "lsm_set_self_attr", "map_shadow_stack", "mseal",         "open_tree_attr",
      "removexattrat",    "setxattrat",        "statmount",        "uretprobe"};
  for (const SyscallEntry& entry : syscalls()) {
    const std::string name(entry.name);
    if (newer.contains(name)) continue;
    EXPECT_NE(seccomp_syscall_resolve_name(name.c_str()), __NR_SCMP_ERROR) << name;
  }
}

// A test of an argument is refused where the table has nothing to say on it: that should be rare.
TEST(Syscalls, KnowTheArgumentsOfEveryCallThatAKernelOf64BitsHas) {
  const std::set<std::string> never_implemented = {
      "afs_syscall", "create_module", "epoll_ctl_old", "epoll_wait_old", "get_kernel_syms", "getpmsg",
      "nfsservctl",  "putpmsg",       "query_module",  "security",       "tuxcall",         "vserver"};
  for (const std::uint32_t architecture : {SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64}) {
    for (int number = 0; number < 512; ++number) {
      char* const known = seccomp_syscall_resolve_num_arch(architecture, number);
      if (known == nullptr) continue;
      const std::string name(known);
      free(known);
      EXPECT_EQ(find_syscall(name) == nullptr, never_implemented.contains(name)) << name;
    }
  }
}

// A number of 64 bits that is taken for a narrow one is as wrong as the other way round. The prototypes are
// those of SYSCALL_DEFINE; `now` says what the kernel makes of them.
TEST(Syscalls, KnowHowWideArgumentsAre) {
  using enum Width;
  struct Case {
    const char* name;
    std::vector<Width> widths;
    const char* now = "";
  };
  const Case cases[] = {
      {"socket", {kHalf, kHalf, kHalf}},
      {"access", {kWhole, kHalf}},
      {"arch_prctl", {kHalf, kWhole}},
      {"modify_ldt", {kHalf, kWhole, kWhole}},
      {"set_mempolicy", {kHalf, kWhole, kWhole}},
      {"eventfd2", {kHalf, kHalf}},
      {"timerfd_create", {kHalf, kHalf}},
      {"getpid", {}},
      {"read", {kHalf, kWhole, kWhole}},
      {"lseek", {kHalf, kWhole, kHalf}},
      {"pread64", {kHalf, kWhole, kWhole, kWhole}},
      {"ftruncate", {kHalf, kWhole}},
      {"truncate", {kWhole, kWhole}},
      {"sync_file_range", {kHalf, kWhole, kWhole, kHalf}},
      {"fallocate", {kHalf, kHalf, kWhole, kWhole}},
      {"chmod", {kWhole, kShort}},
      {"openat", {kHalf, kWhole, kHalf, kShort}},
      {"mq_open", {kWhole, kHalf, kShort, kWhole}},
      {"mknodat", {kHalf, kWhole, kShort, kHalf}},
      {"umask", {kHalf}},
      {"futimesat", {kHalf, kWhole, kWhole}},
      {"quotactl", {kHalf, kWhole, kHalf, kWhole}},
      {"quotactl_fd", {kHalf, kHalf, kHalf, kWhole}},
      {"msgrcv", {kHalf, kWhole, kWhole, kWhole, kHalf}},
      {"mremap", {kWhole, kWhole, kWhole, kWhole, kWhole}},
      {"perf_event_open", {kWhole, kHalf, kHalf, kHalf, kWhole}},
      {"fanotify_mark", {kHalf, kHalf, kWhole, kHalf, kWhole}},
      {"migrate_pages", {kHalf, kWhole, kWhole, kWhole}},
      {"move_pages", {kHalf, kWhole, kWhole, kWhole, kWhole, kHalf}},
      {"brk", {kWhole}},
      {"io_submit", {kWhole, kWhole, kWhole}},
      {"prlimit64", {kHalf, kHalf, kWhole, kWhole}},
      {"clone3", {kWhole, kWhole}},
      {"readv", {kHalf, kWhole, kHalf}, "unsigned long, cut to int"},
      {"preadv", {kHalf, kWhole, kHalf, kWhole, kNone}, "the upper half of the offset is shifted out"},
      {"preadv2", {kHalf, kWhole, kHalf, kWhole, kNone, kHalf}},
      {"vmsplice", {kHalf, kWhole, kHalf, kHalf}, "unsigned long, cut to int"},
      {"process_vm_readv", {kHalf, kWhole, kHalf, kWhole, kWhole, kWhole}, "only the first count is cut"},
      {"mbind", {kWhole, kWhole, kHalf, kWhole, kWhole, kHalf}, "mode is an unsigned long, cut to int"},
      {"mmap", {kWhole, kWhole, kHalf, kHalf, kHalf, kWhole}, "flags are passed over above 32 bits"},
      {"mprotect", {kWhole, kWhole, kHalf}, "refused above 32 bits"},
      {"clone", {kHalf, kWhole, kWhole, kWhole, kWhole}, "lower_32_bits(clone_flags)"},
      {"ptrace", {kWhole, kHalf, kDepends, kDepends}, "the pid is a long, cut to pid_t"},
      {"ioctl", {kHalf, kHalf, kDepends}},
      {"fcntl", {kHalf, kHalf, kDepends}},
      {"prctl", {kHalf, kDepends, kDepends, kDepends, kDepends}},
      {"futex", {kWhole, kHalf, kHalf, kDepends, kWhole, kHalf}},
  };
  for (const Case& one : cases) {
    const SyscallEntry* entry = find_syscall(one.name);
    ASSERT_NE(entry, nullptr) << one.name;
    for (unsigned index = 0; index < 7; ++index) {
      const Width expected = index < one.widths.size() ? one.widths[index] : kNone;
      EXPECT_EQ(width_of(*entry, index), expected) << one.name << " " << index << " " << one.now;
    }
  }
}

TEST(Syscalls, SuperviseTheseAndNothingElse) {
  const auto is_send = [](std::string_view name) {
    return name == "sendto" || name == "sendmsg" || name == "sendmmsg";
  };
  for (const SyscallEntry& entry : syscalls()) {
    const bool executes = entry.name == "execve" || entry.name == "execveat";
    const Operation expected = entry.name == "connect" ? Operation::kConnect
                               : entry.name == "bind"  ? Operation::kBind
                               : executes              ? Operation::kExec
                               : is_send(entry.name)   ? Operation::kSend
                                                       : Operation::kNone;
    EXPECT_EQ(entry.operation, expected) << entry.name;
    EXPECT_EQ(entry.only_with, entry.name == "sendto" ? 4 : -1) << entry.name;
  }
}

TEST(Syscalls, NeverNotifyWhatASignalMustNotInterrupt) {
  for (const char* name : {"close", "fork", "vfork", "clone", "clone3", "exit", "exit_group", "rt_sigreturn",
                           "sigreturn", "restart_syscall"})
    EXPECT_NE(find_syscall(name)->never_notify, "") << name;
  for (const char* name : {"connect", "bind", "openat", "execve", "socket"})
    EXPECT_EQ(find_syscall(name)->never_notify, "") << name;
}

TEST(Syscalls, NeverRefuseWhatEveryProgramNeeds) {
  for (const char* name : {"execve", "exit", "exit_group", "rt_sigreturn", "sigreturn", "restart_syscall"})
    EXPECT_NE(find_syscall(name)->never_refuse, "") << name;
  for (const char* name : {"connect", "ptrace", "clone", "close"})
    EXPECT_EQ(find_syscall(name)->never_refuse, "") << name;
}

TEST(Syscalls, KnowCategories) {
  EXPECT_EQ(to_string(find_syscall("connect")->category), "network");
  EXPECT_EQ(to_string(find_syscall("openat")->category), "file");
  EXPECT_EQ(to_string(find_syscall("ptrace")->category), "process");
  EXPECT_EQ(to_string(find_syscall("mmap")->category), "memory");
}

}  // namespace
}  // namespace tidewaiter::policy
