#include "oci/policy/syscalls.h"

#include <gtest/gtest.h>
#include <seccomp.h>

#include <set>
#include <string>

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
  const std::set<std::string> newer = {"fchmodat2", "map_shadow_stack", "mseal"};
  for (const SyscallEntry& entry : syscalls()) {
    const std::string name(entry.name);
    if (newer.contains(name)) continue;
    EXPECT_NE(seccomp_syscall_resolve_name(name.c_str()), __NR_SCMP_ERROR) << name;
  }
}

TEST(Syscalls, SuperviseConnectAndBindAndNothingElse) {
  for (const SyscallEntry& entry : syscalls()) {
    const Operation expected = entry.name == "connect" ? Operation::kConnect
                               : entry.name == "bind"  ? Operation::kBind
                                                       : Operation::kNone;
    EXPECT_EQ(entry.operation, expected) << entry.name;
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
