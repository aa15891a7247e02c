#include "oci/policy/baseline.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

namespace tidewaiter::policy {
namespace {

constexpr std::uint64_t kSocketTypeMask = 0xf;    // SOCK_TYPE_MASK (include/linux/net.h): flags are above it
constexpr std::uint64_t kLowerHalf = 0xffffffff;  // an int argument: the kernel ignores the upper half

constexpr ArgumentTest masked(unsigned index, std::uint64_t mask, std::uint64_t value) {
  return {index, Comparison::kMaskedEqual, value, mask};
}

constexpr std::array<std::string_view, 3> kIoUring{"io_uring_enter", "io_uring_register", "io_uring_setup"};
constexpr std::array<std::string_view, 2> kSendFlagsFourth{"sendmmsg", "sendto"};
constexpr std::array<std::string_view, 1> kSendFlagsThird{"sendmsg"};
constexpr std::array<std::string_view, 1> kSocket{"socket"};
constexpr std::array<std::string_view, 2> kSocketAndPair{"socket", "socketpair"};
constexpr std::array<std::string_view, 1> kSetsockopt{"setsockopt"};

constexpr ArgumentTest is_not(unsigned index, std::uint64_t value) {
  return {index, Comparison::kNotEqual, value, kLowerHalf};
}

constexpr std::array<ArgumentTest, 2> option(int level, int name) {
  return {masked(1, kLowerHalf, static_cast<std::uint64_t>(level)),
          masked(2, kLowerHalf, static_cast<std::uint64_t>(name))};
}

// Newer than the headers of Debian 12's C library (include/uapi/linux/in.h, in6.h).
constexpr int kLocalPortRange = 51;
constexpr int kIpv6PacketOptions2292 = 6;

constexpr std::array kOtherFamilies{is_not(0, AF_UNIX), is_not(0, AF_INET), is_not(0, AF_INET6),
                                    is_not(0, AF_NETLINK)};
constexpr auto kSourceRouteIpv4 = option(IPPROTO_IP, IP_OPTIONS);
constexpr auto kSourceRouteIpv6 = option(IPPROTO_IPV6, IPV6_RTHDR);
constexpr auto kSourceRouteOldIpv6 = option(IPPROTO_IPV6, kIpv6PacketOptions2292);
constexpr auto kDeferredConnect = option(IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
constexpr auto kPortRange = option(IPPROTO_IP, kLocalPortRange);

constexpr std::array kFastOpenFourth{masked(3, MSG_FASTOPEN, MSG_FASTOPEN)};
constexpr std::array kFastOpenThird{masked(2, MSG_FASTOPEN, MSG_FASTOPEN)};
constexpr std::array kSctpIpv4{masked(0, kLowerHalf, AF_INET), masked(2, kLowerHalf, IPPROTO_SCTP)};
constexpr std::array kSctpIpv6{masked(0, kLowerHalf, AF_INET6), masked(2, kLowerHalf, IPPROTO_SCTP)};
constexpr std::array kSequencedIpv4{masked(0, kLowerHalf, AF_INET),
                                    masked(1, kSocketTypeMask, SOCK_SEQPACKET)};
constexpr std::array kSequencedIpv6{masked(0, kLowerHalf, AF_INET6),
                                    masked(1, kSocketTypeMask, SOCK_SEQPACKET)};
// The kernel turns this into AF_PACKET, when the filter has seen the family (__sock_create in net/socket.c).
constexpr std::array kPacketOverIpv4{masked(0, kLowerHalf, AF_INET), masked(1, kSocketTypeMask, SOCK_PACKET)};

// The errnos are those that a kernel without the feature gives, so that programs fall back to connect(2).
// Rows on the same socket family share theirs: then one filter can hold them all, and `socket` need not
// notify.
constexpr std::string_view kFastOpenReason =
    "connects without connect(2); EOPNOTSUPP makes programs fall back to it";
constexpr std::string_view kSourceRouteReason =
    "a source route makes packets for an allowed address go to another host first";
constexpr std::string_view kSctpReason = "SCTP connects and binds through setsockopt(2) and sendmsg(2)";
constexpr BaselineRow kBaseline[] = {
    {kIoUring,
     {},
     ENOSYS,
     true,
     true,
     "io_uring",
     "its operations connect and bind past every seccomp filter"},
    {kSendFlagsFourth, kFastOpenFourth, EOPNOTSUPP, true, false, "sending with MSG_FASTOPEN",
     kFastOpenReason},
    {kSendFlagsThird, kFastOpenThird, EOPNOTSUPP, true, false, "sending with MSG_FASTOPEN", kFastOpenReason},
    {kSocket, kSctpIpv4, EPROTONOSUPPORT, true, true, "SCTP sockets", kSctpReason},
    {kSocket, kSctpIpv6, EPROTONOSUPPORT, true, true, "SCTP sockets", kSctpReason},
    {kSocket, kSequencedIpv4, EPROTONOSUPPORT, true, true, "SOCK_SEQPACKET sockets over IP",
     "with protocol 0 they are SCTP, which connects and binds through other calls"},
    {kSocket, kSequencedIpv6, EPROTONOSUPPORT, true, true, "SOCK_SEQPACKET sockets over IP",
     "with protocol 0 they are SCTP, which connects and binds through other calls"},
    {kSocket, kPacketOverIpv4, EPROTONOSUPPORT, true, true, "SOCK_PACKET sockets",
     "of the family IPv4 by their name, they are packet sockets"},
    {kSocketAndPair, kOtherFamilies, EAFNOSUPPORT, true, true,
     "sockets other than Unix, IPv4, IPv6 and netlink",
     "no rule can name where they lead; some of them (RDS, TIPC, RxRPC) connect when they send"},
    {kSetsockopt, kDeferredConnect, ENOPROTOOPT, true, false, "TCP_FASTOPEN_CONNECT (setsockopt)",
     "it puts a connect off until data is sent, and multipath TCP then takes the address given with the "
     "data"},
    {kSetsockopt, kSourceRouteIpv4, EPERM, true, false, "source routes (setsockopt)", kSourceRouteReason},
    {kSetsockopt, kSourceRouteIpv6, EPERM, true, false, "source routes (setsockopt)", kSourceRouteReason},
    {kSetsockopt, kSourceRouteOldIpv6, EPERM, true, false, "source routes (setsockopt)", kSourceRouteReason},
    {kSetsockopt, kPortRange, ENOPROTOOPT, false, true, "IP_LOCAL_PORT_RANGE (setsockopt)",
     "a range of one port makes the kernel choose the port the workload wants"},
};

constexpr OpenWay kLeftOpen[] = {
    {true, true, "raw sockets",
     "a container with CAP_NET_RAW can write packets itself; take the capability away, or refuse `socket` "
     "with SOCK_RAW in `syscalls`"},
    {false, true, "ports the kernel chooses",
     "listen(2) on an unbound socket, connect(2) and sendto(2) bind one from the ephemeral range"},
    {true, false, "connections the kernel makes itself",
     "mounting a network file system, tunnels, more paths of multipath TCP: for those with CAP_SYS_ADMIN or "
     "CAP_NET_ADMIN"},
    {true, true, "sockets received from another process",
     "a descriptor passed over a Unix socket, or inherited, is as connected and bound as it came, and keeps "
     "the options it came with"},
};

bool names(const SyscallRule& rule, std::string_view name) {
  return std::find(rule.names.begin(), rule.names.end(), name) != rule.names.end();
}

bool permits(const SyscallRule& rule) { return rule.action == Action::kAllow || rule.action == Action::kLog; }

// In front of the first rule that would let the call through: what the policy refuses before that, it refuses
// in its own way, and what comes after can only refuse what would be refused here.
void insert_baseline(std::vector<SyscallRule>& rules, const BaselineRow& row, std::string_view name) {
  const auto place = std::find_if(rules.begin(), rules.end(), [name](const SyscallRule& rule) {
    return permits(rule) && names(rule, name);
  });
  rules.insert(place, SyscallRule{.pointer = std::string(kBaselinePointer),
                                  .names = {std::string(name)},
                                  .args = {row.tests.begin(), row.tests.end()},
                                  .action = Action::kErrno,
                                  .errno_value = row.errno_value});
}

}  // namespace

std::span<const BaselineRow> baseline() { return kBaseline; }

std::span<const OpenWay> left_open() { return kLeftOpen; }

Policy complete(const Policy& policy) {
  Policy completed = policy;
  if (policy.mode == Mode::kAudit) return completed;
  for (const BaselineRow& row : kBaseline) {
    if (!concerns(row, policy)) continue;
    for (const std::string_view name : row.syscalls) insert_baseline(completed.syscalls, row, name);
  }
  return completed;
}

}  // namespace tidewaiter::policy
