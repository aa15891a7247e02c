#include "oci/policy/baseline.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <set>
#include <string>

#include "oci/policy/decide.h"
#include "oci/policy/syscalls.h"
#include "oci/seccomp/filter_context.h"

namespace tidewaiter::policy {
namespace {

Policy restricting_connect() {
  Policy policy;
  policy.network.emplace().allow.emplace();
  return policy;
}

Policy restricting_exec() {
  Policy policy;
  policy.exec.emplace().allow.emplace();
  return policy;
}

Policy restricting_bind() {
  Policy policy;
  policy.network.emplace().bind.emplace();
  return policy;
}

Policy limiting_memory() {
  Policy policy;
  policy.limits.emplace().memory = 64U << 20U;
  return policy;
}

// A decision whose rule outlives the completed policy.
struct Decided {
  Verdict verdict;
  int errno_value;
  std::string rule;
};

Decided decide(const Policy& policy, std::string_view name, std::uint64_t a0 = 0, std::uint64_t a1 = 0,
               std::uint64_t a2 = 0, std::uint64_t a3 = 0) {
  const Policy completed = complete(policy);
  const std::uint64_t args[6] = {a0, a1, a2, a3, 0, 0};
  const Decision decision = decide_syscall(completed, name, args);
  return {decision.verdict, decision.errno_value, std::string(decision.rule)};
}

TEST(Baseline, NamesCallsThatLibseccompKnows) {
  for (const BaselineRow& row : baseline()) {
    for (const std::string_view name : row.syscalls) {
      EXPECT_TRUE(row.where_known ||
                  seccomp::syscall_number(seccomp::native_architecture(), std::string(name)))
          << name;
    }
  }
}

// An upper half that the kernel ignores must not hide a bit that a row tests.
TEST(Baseline, LooksAtNoMoreOfAnArgumentThanTheKernel) {
  for (const BaselineRow& row : baseline()) {
    for (const std::string_view name : row.syscalls) {
      for (const ArgumentTest& test : row.tests) {
        const SyscallEntry* entry = find_syscall(name);
        ASSERT_NE(entry, nullptr) << name;
        EXPECT_EQ(width_of(*entry, test.index), Width::kHalf) << name << " " << test.index;
        EXPECT_EQ(test.mask >> 32, 0U) << name << " " << test.index;
      }
    }
  }
}

TEST(Complete, AddsNothingToAPolicyThatRestrictsNeitherNetworkNorPrograms) {
  Policy policy;
  EXPECT_TRUE(complete(policy).syscalls.empty());
  policy.network.emplace();
  policy.exec.emplace();
  EXPECT_TRUE(complete(policy).syscalls.empty());
}

TEST(Complete, RefusesWhatConnectsOrBindsUnseen) {
  struct Case {
    const char* what;
    std::string_view name;
    std::uint64_t args[4];
    int with_connect;  // errno; 0: allowed
    int with_bind;
    int with_exec = 0;
  };
  const auto everywhere = [](const char* what, std::string_view name, std::array<std::uint64_t, 3> args,
                             int errno_value) {
    return Case{what, name, {args[0], args[1], args[2], 0}, errno_value, errno_value, errno_value};
  };
  constexpr std::uint64_t kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  constexpr std::uint64_t kDirt = 0xdeadbeef00000000;  // the kernel takes an int and ignores the upper half
  constexpr std::uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                    CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID;
  const Case cases[] = {
      {"io_uring", "io_uring_setup", {8, 0, 0, 0}, ENOSYS, ENOSYS, ENOSYS},
      {"an io_uring received from elsewhere", "io_uring_enter", {3, 1, 1, 0}, ENOSYS, ENOSYS, ENOSYS},
      {"io_uring_register", "io_uring_register", {3, 0, 0, 0}, ENOSYS, ENOSYS, ENOSYS},
      {"plain sendto", "sendto", {3, 0, 5, MSG_NOSIGNAL}, 0, 0},
      {"sendto with the SYN", "sendto", {3, 0, 5, MSG_FASTOPEN}, EOPNOTSUPP, 0},
      {"among other flags", "sendto", {3, 0, 5, MSG_FASTOPEN | MSG_NOSIGNAL | kDirt}, EOPNOTSUPP, 0},
      {"flags are sendmsg's third argument", "sendmsg", {3, 0, MSG_FASTOPEN, 0}, EOPNOTSUPP, 0},
      {"not its fourth", "sendmsg", {3, 0, 0, MSG_FASTOPEN}, 0, 0},
      {"sendmmsg", "sendmmsg", {3, 0, 1, MSG_FASTOPEN}, EOPNOTSUPP, 0},
      {"TCP", "socket", {AF_INET, SOCK_STREAM, 0, 0}, 0, 0},
      {"multipath TCP", "socket", {AF_INET6, SOCK_STREAM, 262, 0}, 0, 0},
      {"UDP", "socket", {AF_INET6, SOCK_DGRAM, IPPROTO_UDP, 0}, 0, 0},
      {"SCTP as a stream",
       "socket",
       {AF_INET, SOCK_STREAM, IPPROTO_SCTP, 0},
       EPROTONOSUPPORT,
       EPROTONOSUPPORT},
      {"SCTP over IPv6",
       "socket",
       {AF_INET6 | kDirt, SOCK_STREAM | kFlags, IPPROTO_SCTP | kDirt, 0},
       EPROTONOSUPPORT,
       EPROTONOSUPPORT},
      {"SCTP by default", "socket", {AF_INET, SOCK_SEQPACKET, 0, 0}, EPROTONOSUPPORT, EPROTONOSUPPORT},
      {"with flags", "socket", {AF_INET6, SOCK_SEQPACKET | kFlags, 0, 0}, EPROTONOSUPPORT, EPROTONOSUPPORT},
      {"local sequenced packets", "socket", {AF_UNIX, SOCK_SEQPACKET, 0, 0}, 0, 0},
      {"netlink", "socket", {AF_NETLINK, SOCK_RAW, 132, 0}, 0, 0},
      {"packets", "socket", {AF_PACKET, SOCK_RAW, 0, 0}, EAFNOSUPPORT, EAFNOSUPPORT},
      {"a family by the lower half", "socket", {AF_TIPC | kDirt, SOCK_RDM, 0, 0}, EAFNOSUPPORT, EAFNOSUPPORT},
      {"IPv4 by its name", "socket", {AF_INET, SOCK_PACKET, 0x300, 0}, EPROTONOSUPPORT, EPROTONOSUPPORT},
      {"with flags and dirt",
       "socket",
       {AF_INET | kDirt, SOCK_PACKET | kFlags | kDirt, 0, 0},
       EPROTONOSUPPORT,
       EPROTONOSUPPORT},
      {"a pair of Unix sockets", "socketpair", {AF_UNIX, SOCK_STREAM, 0, 0}, 0, 0},
      {"a pair the kernel refuses itself", "socketpair", {AF_INET, SOCK_STREAM, 0, 0}, 0, 0},
      {"a pair of TIPC", "socketpair", {AF_TIPC | kDirt, SOCK_RDM, 0, 0}, EAFNOSUPPORT, EAFNOSUPPORT},
      {"a connect put off", "setsockopt", {3, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0}, ENOPROTOOPT, 0},
      {"by the lower halves",
       "setsockopt",
       {3, IPPROTO_TCP | kDirt, TCP_FASTOPEN_CONNECT | kDirt, 0},
       ENOPROTOOPT,
       0},
      {"the same number of another level", "setsockopt", {3, SOL_SOCKET, TCP_FASTOPEN_CONNECT, 0}, 0, 0},
      {"another option of TCP", "setsockopt", {3, IPPROTO_TCP, TCP_NODELAY, 0}, 0, 0},
      {"source route", "setsockopt", {3, IPPROTO_IP, IP_OPTIONS, 0}, EPERM, 0},
      {"source route over IPv6", "setsockopt", {3, IPPROTO_IPV6, IPV6_RTHDR, 0}, EPERM, 0},
      {"port range", "setsockopt", {3, IPPROTO_IP, 51, 0}, 0, ENOPROTOOPT},
      {"another option", "setsockopt", {3, SOL_SOCKET, SO_REUSEADDR, 0}, 0, 0},
      everywhere("userfaultfd", "userfaultfd", {UFFD_USER_MODE_ONLY}, EPERM),
      everywhere("clone3", "clone3", {0x7fff0000, 88}, ENOSYS),
      everywhere("fork", "clone", {CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD}, 0),
      everywhere("a signal of the number of CLONE_NEWTIME", "clone", {0x80}, 0),
      everywhere("a thread", "clone", {kThread}, 0),
      everywhere("vfork and a pidfd", "clone", {CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD}, 0),
      everywhere("mount namespace", "clone", {CLONE_NEWNS | SIGCHLD}, EPERM),
      everywhere("cgroup namespace", "clone", {CLONE_NEWCGROUP | SIGCHLD}, EPERM),
      everywhere("UTS namespace", "clone", {CLONE_NEWUTS | SIGCHLD}, EPERM),
      everywhere("IPC namespace", "clone", {CLONE_NEWIPC | SIGCHLD}, EPERM),
      everywhere("user namespace", "clone", {CLONE_NEWUSER | SIGCHLD | kDirt}, EPERM),
      everywhere("PID namespace", "clone", {CLONE_NEWPID | SIGCHLD}, EPERM),
      everywhere("network namespace", "clone", {CLONE_NEWNET | CLONE_VM | SIGCHLD}, EPERM),
      everywhere("a file table of its own", "unshare", {CLONE_FS | CLONE_FILES | CLONE_SYSVSEM}, 0),
      everywhere("nothing", "unshare", {0}, 0),
      everywhere("mount namespace", "unshare", {CLONE_NEWNS | CLONE_FS}, EPERM),
      everywhere("mount namespace without mounts", "unshare", {0x100000}, EPERM),
      everywhere("cgroup namespace", "unshare", {CLONE_NEWCGROUP}, EPERM),
      everywhere("UTS namespace", "unshare", {CLONE_NEWUTS}, EPERM),
      everywhere("IPC namespace", "unshare", {CLONE_NEWIPC}, EPERM),
      everywhere("user namespace", "unshare", {CLONE_NEWUSER | kDirt}, EPERM),
      everywhere("PID namespace", "unshare", {CLONE_NEWPID}, EPERM),
      everywhere("network namespace", "unshare", {CLONE_NEWNET}, EPERM),
      everywhere("time namespace", "unshare", {0x80}, EPERM),
      everywhere("any namespace", "setns", {3, 0}, EPERM),
      everywhere("tracing", "ptrace", {PTRACE_SEIZE, 7}, EPERM),
      everywhere("another's memory", "process_vm_writev", {7}, EPERM),
      everywhere("looking at it", "process_vm_readv", {7}, 0),
      everywhere("another's descriptor", "pidfd_getfd", {3, 4, 0}, EPERM),
      everywhere("a file by its handle", "open_by_handle_at", {3}, EPERM),
      everywhere("the handle of a file", "name_to_handle_at", {3}, 0),
      everywhere("a filter", "seccomp", {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC}, 0),
      everywhere(
          "a listener", "seccomp",
          {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC | kDirt},
          EBUSY),
      {"a key that a program of the host is asked for", "request_key", {0, 0, 0, 0}, ENOSYS, 0, 0},
      everywhere("a key", "add_key", {0, 0, 0}, 0),
      everywhere("bpf", "bpf", {5}, EPERM),
      everywhere("another kernel", "kexec_load", {0}, EPERM),
      everywhere("another kernel in a file", "kexec_file_load", {0}, EPERM),
      everywhere("a module", "init_module", {0}, EPERM),
      everywhere("a module in a file", "finit_module", {0}, EPERM),
      everywhere("a module less", "delete_module", {0}, EPERM),
      everywhere("mount", "mount", {0}, EPERM),
      everywhere("another way to mount", "fsopen", {0}, EPERM),
      {"its last step", "fsmount", {3, 0, 0, 0}, 0, 0, EPERM},
      {"move_mount", "move_mount", {3, 0, 4, 0}, 0, 0, EPERM},
      {"mount_setattr", "mount_setattr", {3, 0, 0, 0}, 0, 0, EPERM},
      {"pivot_root", "pivot_root", {0, 0, 0, 0}, 0, 0, EPERM},
      {"what is below a mount", "umount2", {0, MNT_DETACH, 0, 0}, 0, 0, EPERM},
      {"a copy of a mount", "open_tree", {0, 0, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0}, 0, 0, EPERM},
      {"in a namespace of its own", "open_tree", {0, 0, 2 | kDirt, 0}, 0, 0, EPERM},
      {"a descriptor of a mount", "open_tree", {0, 0, OPEN_TREE_CLOEXEC | AT_EMPTY_PATH, 0}, 0, 0, 0},
      {"another root", "chroot", {0, 0, 0, 0}, 0, 0, EPERM},
      {"a copy with attributes", "open_tree_attr", {0, 0, OPEN_TREE_CLONE, 0}, 0, 0, EPERM},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const auto errno_of = [&one](const Policy& policy) {
      const Decided decided = decide(policy, one.name, one.args[0], one.args[1], one.args[2], one.args[3]);
      return decided.verdict == Verdict::kAllow ? 0 : decided.errno_value;
    };
    EXPECT_EQ(errno_of(restricting_connect()), one.with_connect);
    EXPECT_EQ(errno_of(restricting_bind()), one.with_bind);
    EXPECT_EQ(errno_of(restricting_exec()), one.with_exec);
    EXPECT_EQ(errno_of(Policy{}), 0);
  }
}

// A socket is named by its path, as a program is.
TEST(Complete, RefusesToPutOtherFilesUnderNamesThatUnixRulesHave) {
  for (const bool denying : {false, true}) {
    Policy policy;
    policy.network.emplace();
    if (!denying) policy.network->allow.emplace();
    (denying ? policy.network->unix_deny : policy.network->unix_allow).emplace_back().name = "/run/pg/*";
    const std::string_view calls[] = {"mount",         "fsopen",     "fsmount", "move_mount",
                                      "mount_setattr", "pivot_root", "umount2"};
    for (const std::string_view call : calls) EXPECT_EQ(decide(policy, call).verdict, Verdict::kDeny) << call;
    EXPECT_EQ(decide(policy, "open_tree", 0, 0, OPEN_TREE_CLONE).verdict, Verdict::kDeny);
    EXPECT_EQ(decide(policy, "open_tree").verdict, Verdict::kAllow);
    EXPECT_EQ(decide(policy, "chroot").verdict, Verdict::kAllow);
  }
}

TEST(Complete, RefusesWhatLeadsToTheCgroupThatHoldsALimit) {
  constexpr std::uint64_t kUpperHalf = 0xdeadbeef00000000;  // the kernel takes an int and ignores it
  const struct {
    std::string_view name;
    std::uint64_t args[3];
    int errno_value;  // 0: allowed
  } cases[] = {
      {"clone3", {0, 0, 0}, ENOSYS},
      {"clone", {CLONE_NEWUSER | SIGCHLD, 0, 0}, EPERM},
      {"clone", {SIGCHLD, 0, 0}, 0},
      {"unshare", {CLONE_NEWCGROUP, 0, 0}, EPERM},
      {"setns", {3, 0, 0}, EPERM},
      {"mount", {0, 0, 0}, EPERM},
      {"fsopen", {0, 0, 0}, EPERM},
      {"mount_setattr", {0, 0, 0}, EPERM},
      {"open_tree", {0, 0, OPEN_TREE_CLONE}, EPERM},
      {"open_tree", {0, 0, 0}, 0},
      {"io_uring_setup", {0, 0, 0}, 0},
      {"ptrace", {0, 0, 0}, 0},
      {"chroot", {0, 0, 0}, 0},
      {"socket", {AF_INET, SOCK_RAW, 0}, 0},
      {"setsockopt", {3, SOL_PACKET, PACKET_RX_RING}, ENOPROTOOPT},
      {"setsockopt", {3, SOL_PACKET | kUpperHalf, PACKET_TX_RING | kUpperHalf}, ENOPROTOOPT},
      {"setsockopt", {3, SOL_PACKET, PACKET_FANOUT}, 0},
      {"setsockopt", {3, SOL_SOCKET, PACKET_RX_RING}, 0},
      {"setsockopt", {3, SOL_XDP, 5}, ENOPROTOOPT},
  };
  for (const auto& one : cases) {
    const Decided decided = decide(limiting_memory(), one.name, one.args[0], one.args[1], one.args[2]);
    EXPECT_EQ(decided.verdict == Verdict::kAllow ? 0 : decided.errno_value, one.errno_value) << one.name;
  }
  // Where others are in sight, they would do the work.
  Policy beside_others = limiting_memory();
  beside_others.limits->sees_others = true;
  for (const char* name : {"ptrace", "process_vm_writev", "pidfd_getfd"}) {
    EXPECT_EQ(decide(limiting_memory(), name).verdict, Verdict::kAllow) << name;
    EXPECT_EQ(decide(beside_others, name).verdict, Verdict::kDeny) << name;
  }
  for (const char* name : {"bpf", "kexec_load", "init_module", "open_by_handle_at"})
    EXPECT_EQ(decide(limiting_memory(), name).verdict, Verdict::kDeny) << name;
  Policy processes;
  processes.limits.emplace().processes = 5;
  EXPECT_EQ(decide(processes, "setsockopt", 3, SOL_PACKET, PACKET_RX_RING).verdict, Verdict::kAllow);
  // No cgroup holds it.
  Policy policy;
  policy.limits.emplace().open_files = 64;
  EXPECT_TRUE(complete(policy).syscalls.empty());
}

TEST(Complete, RefusesToShowFoldersAtOtherPlaces) {
  constexpr std::uint64_t kUpperHalf = 0xdeadbeef00000000;  // the kernel takes an int and ignores it
  Policy denying;
  denying.files.emplace().deny.push_back({"/files/deny/0", "/x"});
  Policy listing;
  listing.files.emplace().write.emplace();
  Policy with_snapshots = listing;
  with_snapshots.files->snapshots = true;
  Policy nothing;
  nothing.files.emplace().snapshots = true;
  // <linux/btrfs.h>, as far as Debian 12's has them.
  for (const std::uint64_t request :
       {std::uint64_t{BTRFS_IOC_SNAP_CREATE}, std::uint64_t{BTRFS_IOC_SNAP_CREATE_V2},
        std::uint64_t{BTRFS_IOC_SUBVOL_CREATE}, std::uint64_t{BTRFS_IOC_SUBVOL_CREATE_V2},
        std::uint64_t{BTRFS_IOC_SNAP_DESTROY}, std::uint64_t{BTRFS_IOC_SNAP_DESTROY_V2},
        std::uint64_t{_IOW(0xbc, 16, char[32])}, std::uint64_t{_IOW(0xbc, 17, char[32])}}) {
    for (const std::uint64_t sent : {request, request | kUpperHalf}) {
      EXPECT_EQ(decide(denying, "ioctl", 3, sent).errno_value, ENOTTY) << std::hex << request;
      EXPECT_EQ(decide(with_snapshots, "ioctl", 3, sent).errno_value, ENOTTY) << std::hex << request;
      EXPECT_EQ(decide(listing, "ioctl", 3, sent).verdict, Verdict::kAllow);
      EXPECT_EQ(decide(nothing, "ioctl", 3, sent).verdict, Verdict::kAllow);
    }
  }
  for (const std::uint64_t harmless : {std::uint64_t{FICLONE}, std::uint64_t{TIOCGWINSZ}})
    EXPECT_EQ(decide(denying, "ioctl", 3, harmless).verdict, Verdict::kAllow);
}

TEST(Complete, LetsNoRuleOpenWhatTheBaselineShuts) {
  for (const Action action : {Action::kAllow, Action::kLog}) {
    Policy policy = restricting_connect();
    policy.syscalls.push_back(
        {.pointer = "/syscalls/0", .names = {"io_uring_setup"}, .args = {}, .action = action});
    EXPECT_EQ(decide(policy, "io_uring_setup").verdict, Verdict::kDeny);
    EXPECT_EQ(decide(policy, "io_uring_setup").rule, "baseline/io_uring");
  }
}

TEST(Complete, LeavesARefusalOfThePolicyItsOwnWay) {
  Policy policy = restricting_connect();
  policy.syscalls.push_back(
      {.pointer = "/syscalls/0", .names = {"io_uring_setup"}, .args = {}, .action = Action::kKill});
  EXPECT_EQ(decide(policy, "io_uring_setup").verdict, Verdict::kKill);
  EXPECT_EQ(decide(policy, "io_uring_setup").rule, "/syscalls/0");
}

TEST(Complete, RefusesWhatAnyLaterRuleRefuses) {
  Policy policy = restricting_connect();
  const ArgumentTest unix_domain{.index = 0, .comparison = Comparison::kEqual, .value = AF_UNIX};
  policy.syscalls.push_back(
      {.pointer = "/syscalls/0", .names = {"socket"}, .args = {unix_domain}, .action = Action::kAllow});
  policy.syscalls.push_back(
      {.pointer = "/syscalls/1", .names = {"socket"}, .args = {}, .action = Action::kErrno});
  EXPECT_EQ(decide(policy, "socket", AF_UNIX, SOCK_STREAM).verdict, Verdict::kAllow);
  EXPECT_EQ(decide(policy, "socket", AF_INET, SOCK_STREAM).rule, "/syscalls/1");
  EXPECT_EQ(decide(policy, "socket", AF_INET, SOCK_SEQPACKET).verdict, Verdict::kDeny);
}

// The words of the rows that refuse something under a policy.
std::set<std::string> refused_by(const Policy& policy) {
  std::set<std::string> names;
  for (const SyscallRule& rule : complete(policy).syscalls) {
    if (is_baseline(rule)) names.insert(rule.pointer.substr(kBaselinePointer.size()));
  }
  return names;
}

TEST(Complete, LeavesOutWhatIsGivenBackAndNothingElse) {
  Policy policy = restricting_connect();
  policy.network->bind.emplace();
  policy.exec.emplace().allow.emplace();
  policy.limits = limiting_memory().limits;
  policy.files.emplace().deny.push_back({"/files/deny/0", "/x"});
  const std::set<std::string> all = refused_by(policy);
  std::set<std::string> expected;
  for (const BaselineRow& row : baseline()) {
    if (!row.in_bundle) expected.emplace(row.name);
  }
  EXPECT_EQ(all, expected);
  for (const std::string_view name : baseline_names()) {
    policy.unsafe_allow = {{.pointer = "/unsafe_allow/0", .name = std::string(name)}};
    std::set<std::string> rest = all;
    rest.erase(std::string(name));
    EXPECT_EQ(refused_by(policy), rest) << name;
  }
}

TEST(Complete, GivesBackWhatTheNameSays) {
  Policy policy = restricting_exec();
  policy.unsafe_allow = {{.pointer = "/unsafe_allow/0", .name = "namespaces"}};
  EXPECT_EQ(decide(policy, "unshare", CLONE_NEWUSER).verdict, Verdict::kAllow);
  EXPECT_EQ(decide(policy, "clone", CLONE_NEWUSER).verdict, Verdict::kAllow);
  EXPECT_EQ(decide(policy, "setns", 3).verdict, Verdict::kAllow);
  EXPECT_EQ(decide(policy, "clone3").verdict, Verdict::kDeny);
  EXPECT_EQ(decide(policy, "mount").verdict, Verdict::kDeny);
}

// The file's own refusals are not the baseline's.
TEST(Complete, GivesNothingBackThatTheFileRefuses) {
  Policy policy = restricting_exec();
  policy.unsafe_allow = {{.pointer = "/unsafe_allow/0", .name = "ptrace"}};
  policy.syscalls.push_back({.pointer = "/syscalls/0", .names = {"ptrace"}, .args = {}});
  EXPECT_EQ(decide(policy, "ptrace").rule, "/syscalls/0");
}

TEST(ReasonFor, SaysWhatIsTrueForThePolicy) {
  const auto reason = [](std::string_view name, const Policy& policy) {
    for (const BaselineRow& row : baseline()) {
      if (row.name == name) return reason_for(row, policy);
    }
    return std::string();
  };
  Policy both = restricting_connect();
  both.exec.emplace().allow.emplace();
  const std::string network = reason("io_uring", restricting_connect());
  const std::string exec = reason("io_uring", restricting_exec());
  EXPECT_NE(network.find("connect and bind"), std::string::npos) << network;
  EXPECT_EQ(exec.find("connect and bind"), std::string::npos) << exec;
  EXPECT_NE(exec.find("executes programs"), std::string::npos) << exec;
  EXPECT_EQ(reason("io_uring", both), network + "; " + exec);
  const std::string limits = reason("namespaces", limiting_memory());
  EXPECT_NE(limits.find("mount its cgroup"), std::string::npos) << limits;
  EXPECT_EQ(limits.find("network"), std::string::npos) << limits;
  EXPECT_EQ(reason("clone3", limiting_memory()), reason("clone3", restricting_exec()));
  Policy all = both;
  all.limits = limiting_memory().limits;
  EXPECT_EQ(reason("namespaces", all), reason("namespaces", both) + "; " + limits);
  EXPECT_EQ(reason("bpf", both), reason("bpf", restricting_exec()));
  EXPECT_EQ(reason("fast_open", both), reason("fast_open", restricting_connect()));
}

TEST(Complete, RefusesNothingInAuditMode) {
  Policy policy = restricting_connect();
  policy.mode = Mode::kAudit;
  EXPECT_EQ(decide(policy, "io_uring_setup").verdict, Verdict::kAllow);
}

}  // namespace
}  // namespace tidewaiter::policy
