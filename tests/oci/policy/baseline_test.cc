#include "oci/policy/baseline.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "oci/policy/decide.h"
#include "oci/seccomp/filter_context.h"

namespace tidewaiter::policy {
namespace {

Policy restricting_connect() {
  Policy policy;
  policy.network.emplace().allow.emplace();
  return policy;
}

Policy restricting_bind() {
  Policy policy;
  policy.network.emplace().bind.emplace();
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
      EXPECT_TRUE(seccomp::syscall_number(seccomp::native_architecture(), std::string(name))) << name;
    }
    EXPECT_TRUE(row.for_connect || row.for_bind) << row.what;
    EXPECT_GT(row.errno_value, 0) << row.what;
  }
}

TEST(Complete, AddsNothingToAPolicyThatRestrictsNoConnectionAndNoBind) {
  Policy policy;
  EXPECT_TRUE(complete(policy).syscalls.empty());
  policy.network.emplace();
  EXPECT_TRUE(complete(policy).syscalls.empty());
}

TEST(Complete, RefusesWhatConnectsOrBindsUnseen) {
  struct Case {
    const char* what;
    std::string_view name;
    std::uint64_t args[4];
    int with_connect;  // errno; 0: allowed
    int with_bind;
  };
  constexpr std::uint64_t kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  constexpr std::uint64_t kDirt = 0xdeadbeef00000000;  // the kernel takes an int and ignores the upper half
  const Case cases[] = {
      {"io_uring", "io_uring_setup", {8, 0, 0, 0}, ENOSYS, ENOSYS},
      {"an io_uring received from elsewhere", "io_uring_enter", {3, 1, 1, 0}, ENOSYS, ENOSYS},
      {"io_uring_register", "io_uring_register", {3, 0, 0, 0}, ENOSYS, ENOSYS},
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
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    const auto errno_of = [&one](const Policy& policy) {
      const Decided decided = decide(policy, one.name, one.args[0], one.args[1], one.args[2], one.args[3]);
      return decided.verdict == Verdict::kAllow ? 0 : decided.errno_value;
    };
    EXPECT_EQ(errno_of(restricting_connect()), one.with_connect);
    EXPECT_EQ(errno_of(restricting_bind()), one.with_bind);
    EXPECT_EQ(errno_of(Policy{}), 0);
  }
}

TEST(Complete, LetsNoRuleOpenWhatTheBaselineShuts) {
  for (const Action action : {Action::kAllow, Action::kLog}) {
    Policy policy = restricting_connect();
    policy.syscalls.push_back(
        {.pointer = "/syscalls/0", .names = {"io_uring_setup"}, .args = {}, .action = action});
    EXPECT_EQ(decide(policy, "io_uring_setup").verdict, Verdict::kDeny);
    EXPECT_EQ(decide(policy, "io_uring_setup").rule, kBaselinePointer);
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

TEST(Complete, RefusesNothingInAuditMode) {
  Policy policy = restricting_connect();
  policy.mode = Mode::kAudit;
  EXPECT_EQ(decide(policy, "io_uring_setup").verdict, Verdict::kAllow);
}

}  // namespace
}  // namespace tidewaiter::policy
