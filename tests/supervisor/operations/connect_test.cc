#include "supervisor/operations/connect.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/un.h>

#include <cerrno>
#include <random>

#include "oci/policy/address.h"
#include "supervisor/operations/socket.h"
#include "supervisor/report/event.h"
#include "tests/supervisor/supervised_call.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace tidewaiter::supervisor {
namespace {

using Kind = ScriptedKernel::Kind;
using Socket = ScriptedKernel::Socket;

constexpr const char* kPolicy = R"({"version": 1, "network": {
    "allow": ["tcp://192.0.2.1:80", "udp://192.0.2.1:53", "tcp://[2001:db8::1]:443", "192.0.2.64/28",
              "127.0.0.1:7", "tcp://[::1]:8", "icmp://192.0.2.7", "icmp://2001:db8::7"],
    "deny": ["192.0.2.66"]}})";

constexpr const char* kIcmpRule4 = "/network/allow/6";
constexpr const char* kIcmpRule6 = "/network/allow/7";

// Shared: its tables of syscalls take longest to make.
const Supervision& supervision() {
  static const Supervision made = supervision_of(kPolicy);
  return made;
}

struct Served {
  Outcome outcome;
  std::vector<ScriptedKernel::Recorded> performed;
};

// connect(3, &address, length) of a target with `socket` as descriptor 3.
Served connect_with(Socket socket, const Bytes& address, std::uint64_t length) {
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, socket);
  kernel.put_memory(kPointer, address);
  OperationRun operation(kernel);
  Outcome outcome = operation.run(connect, supervision(), address_call(1, SYS_connect, length));
  return {std::move(outcome), kernel.performed()};
}

// Refused, and nothing was performed.
void expect_refused(const Served& served, int errno_value) {
  EXPECT_EQ(served.outcome.answer.kind, Answer::Kind::kErrno);
  EXPECT_EQ(served.outcome.answer.errno_value, errno_value)
      << ::strerrorname_np(served.outcome.answer.errno_value);
  EXPECT_TRUE(served.performed.empty());
}

// Performed once, on the socket that was looked at, with these bytes.
void expect_performed(const Served& served, const Socket& socket, const Bytes& address) {
  EXPECT_EQ(served.outcome.answer.kind, Answer::Kind::kValue) << served.outcome.answer.errno_value;
  EXPECT_EQ(served.outcome.answer.value, 0);
  ASSERT_EQ(served.performed.size(), 1U);
  EXPECT_EQ(served.performed[0].kind, Kind::kConnect);
  EXPECT_EQ(served.performed[0].cookie, socket.cookie);
  EXPECT_EQ(served.performed[0].bytes, address);
}

struct DestinationCase {
  const char* name;
  Socket socket;
  Bytes address;
  int refused;       // the errno; 0: it is performed
  const char* host;  // in the event; nullptr: none
  const char* rule;  // nullptr: nothing was decided
};

TEST(Connect, IsDecidedByTransportAddressAndPort) {
  constexpr Socket kUdpLite{AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, 75};
  constexpr Socket kMptcp{AF_INET, SOCK_STREAM, IPPROTO_MPTCP, 76};
  constexpr Socket kPing4{AF_INET, SOCK_DGRAM, IPPROTO_ICMP, 77};
  constexpr Socket kPing6{AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, 78};
  const DestinationCase cases[] = {
      {"TCP, allowed", kTcp4, ipv4("192.0.2.1", 80), 0, "192.0.2.1", "/network/allow/0"},
      {"TCP, another port", kTcp4, ipv4("192.0.2.1", 81), EACCES, "192.0.2.1", "/network/allow"},
      {"TCP, another address", kTcp4, ipv4("192.0.2.2", 80), EACCES, "192.0.2.2", "/network/allow"},
      {"TCP, where only UDP is allowed", kTcp4, ipv4("192.0.2.1", 53), EACCES, "192.0.2.1", "/network/allow"},
      {"UDP, allowed", kUdp4, ipv4("192.0.2.1", 53), 0, "192.0.2.1", "/network/allow/1"},
      {"UDP, where only TCP is allowed", kUdp4, ipv4("192.0.2.1", 80), EACCES, "192.0.2.1", "/network/allow"},
      {"UDP-Lite counts as UDP", kUdpLite, ipv4("192.0.2.1", 53), 0, "192.0.2.1", "/network/allow/1"},
      {"MPTCP counts as TCP", kMptcp, ipv4("192.0.2.1", 80), 0, "192.0.2.1", "/network/allow/0"},
      {"MPTCP is refused like TCP", kMptcp, ipv4("192.0.2.1", 81), EACCES, "192.0.2.1", "/network/allow"},
      {"IPv6, allowed", kTcp6, ipv6("2001:db8::1", 443), 0, "2001:db8::1", "/network/allow/2"},
      {"IPv6 with a scope", kTcp6, ipv6("2001:db8::1", 443, 5), 0, "2001:db8::1", "/network/allow/2"},
      {"IPv6, refused", kTcp6, ipv6("2001:db8::2", 443), EACCES, "2001:db8::2", "/network/allow"},
      {"IPv4-mapped, allowed", kTcp6, ipv6("::ffff:192.0.2.1", 80), 0, "192.0.2.1", "/network/allow/0"},
      {"IPv4-mapped, refused", kTcp6, ipv6("::ffff:192.0.2.2", 80), EACCES, "192.0.2.2", "/network/allow"},
      {"IPv4-mapped, denied", kTcp6, ipv6("::ffff:192.0.2.66", 80), EACCES, "192.0.2.66", "/network/deny/0"},
      {"IPv4-compatible is IPv6", kTcp6, ipv6("::192.0.2.1", 80), EACCES, "::192.0.2.1", "/network/allow"},
      {"an IPv4 address on an IPv6 socket", kUdp6, ipv4("192.0.2.1", 53), 0, "192.0.2.1", "/network/allow/1"},
      {"the same, refused", kUdp6, ipv4("192.0.2.2", 53), EACCES, "192.0.2.2", "/network/allow"},
      {"an IPv6 address on an IPv4 socket", kUdp4, ipv6("2001:db8::2", 53), EACCES, "2001:db8::2",
       "/network/allow"},
      {"inside an allowed prefix", kTcp4, ipv4("192.0.2.65", 9), 0, "192.0.2.65", "/network/allow/3"},
      {"denied inside an allowed prefix", kTcp4, ipv4("192.0.2.66", 9), EACCES, "192.0.2.66",
       "/network/deny/0"},
      {"port 0", kTcp4, ipv4("192.0.2.1", 0), EACCES, "192.0.2.1", "/network/allow"},
      {"ICMP, allowed", kPing4, ipv4("192.0.2.7", 0), 0, "192.0.2.7", kIcmpRule4},
      {"ICMP, allowed, whatever is where others have the port", kPing4, ipv4("192.0.2.7", 9), 0, "192.0.2.7",
       kIcmpRule4},
      {"ICMP, where TCP and UDP are allowed", kPing4, ipv4("192.0.2.65", 0), EACCES, "192.0.2.65",
       "/network/allow"},
      {"UDP, where only ICMP is allowed", kUdp4, ipv4("192.0.2.7", 9), EACCES, "192.0.2.7", "/network/allow"},
      {"ICMPv6, allowed", kPing6, ipv6("2001:db8::7", 0), 0, "2001:db8::7", kIcmpRule6},
      {"ICMPv6, refused", kPing6, ipv6("2001:db8::1", 443), EACCES, "2001:db8::1", "/network/allow"},
  };
  for (const DestinationCase& test : cases) {
    SCOPED_TRACE(test.name);
    const Served served = connect_with(test.socket, test.address, test.address.size());
    if (test.refused != 0) {
      expect_refused(served, test.refused);
    } else {
      expect_performed(served, test.socket, test.address);
    }
    ASSERT_TRUE(served.outcome.endpoint);
    EXPECT_EQ(to_string(served.outcome.endpoint->address), test.host);
    ASSERT_TRUE(served.outcome.decision);
    EXPECT_EQ(served.outcome.decision->rule, test.rule);
  }
}

// 0.0.0.0 means this host, but which of its addresses the kernel takes depends on what the socket is bound
// to: only the address that was decided on may be connected to.
TEST(Connect, ToNoAddressGoesToTheLoopbackAddressThatWasDecidedOn) {
  struct Case {
    const char* name;
    Socket socket;
    Bytes captured;
    Bytes performed;
  };
  const Case cases[] = {
      {"IPv4", kTcp4, ipv4("0.0.0.0", 7), ipv4("127.0.0.1", 7)},
      {"IPv6", kTcp6, ipv6("::", 8), ipv6("::1", 8)},
      {"IPv4-mapped", kTcp6, ipv6("::ffff:0.0.0.0", 7), ipv6("::ffff:127.0.0.1", 7)},
      {"IPv4 on an IPv6 socket", kUdp6, ipv4("0.0.0.0", 7), ipv4("127.0.0.1", 7)},
      {"IPv6 of the short form", kTcp6, resized(ipv6("::", 8), 24), resized(ipv6("::1", 8), 24)},
      {"overlong", kTcp4, resized(ipv4("0.0.0.0", 7), 40), resized(ipv4("127.0.0.1", 7), 40)},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    expect_performed(connect_with(test.socket, test.captured, test.captured.size()), test.socket,
                     test.performed);
  }
  expect_refused(connect_with(kTcp4, ipv4("0.0.0.0", 8), 16), EACCES);
  expect_refused(connect_with(kTcp6, ipv6("::", 7), 28), EACCES);
}

TEST(Connect, ReadsAsMuchOfTheAddressAsTheKernelWould) {
  const Bytes short_of_a_page = resized(ipv4("192.0.2.1", 80), 256);
  for (std::uint64_t length = 0; length <= 256; ++length) {
    SCOPED_TRACE(length);
    const Served served = connect_with(kTcp4, short_of_a_page, length);
    const bool fits = length >= sizeof(struct sockaddr_in) && length <= sizeof(struct sockaddr_storage);
    if (length >= sizeof(sa_family_t) && !fits) {
      expect_refused(served, EINVAL);
      EXPECT_FALSE(served.outcome.decision);
    } else {
      // What is shorter than a family says nothing at all; what the kernel thinks of it, it may say itself.
      expect_performed(served, kTcp4, resized(short_of_a_page, length));
    }
  }
  const Bytes ipv6_address = resized(ipv6("2001:db8::1", 443), 256);
  for (std::uint64_t length = 2; length <= 256; ++length) {
    SCOPED_TRACE(length);
    const Served served = connect_with(kTcp6, ipv6_address, length);
    if (length < 24 || length > sizeof(struct sockaddr_storage)) {
      expect_refused(served, EINVAL);
    } else {
      expect_performed(served, kTcp6, resized(ipv6_address, length));
    }
  }
}

TEST(Connect, TakesTheLengthAsAnInt) {
  const Bytes address = resized(ipv4("192.0.2.1", 80), 256);
  for (const std::uint64_t length :
       {0xffffffffULL, 0x80000000ULL, ~0ULL, 0xffffffff80000010ULL, 129ULL, 0x7fffffffULL}) {
    SCOPED_TRACE(length);
    ScriptedKernel kernel;
    kernel.put_socket(kSocketNumber, kTcp4);
    kernel.put_memory(kPointer, address);
    OperationRun operation(kernel);
    Outcome outcome = operation.run(connect, supervision(), address_call(1, SYS_connect, length));
    expect_refused({std::move(outcome), kernel.performed()}, EINVAL);
    EXPECT_TRUE(kernel.calls(Kind::kReadMemory).empty());
  }
  // The upper half of the register does not count.
  expect_performed(connect_with(kTcp4, address, 0x700000010ULL), kTcp4, ipv4("192.0.2.1", 80));
}

TEST(Connect, RefusesFamiliesThatItCannotRead) {
  for (const int family : {AF_UNIX, AF_NETLINK, AF_PACKET, 0x5a5a, 0xffff}) {
    SCOPED_TRACE(family);
    const Served served = connect_with(kTcp4, ipv4("192.0.2.1", 80, static_cast<sa_family_t>(family)), 16);
    expect_refused(served, EAFNOSUPPORT);
    EXPECT_FALSE(served.outcome.decision);
  }
}

TEST(Connect, LetsAnAssociationBeDissolved) {
  for (const Socket& socket : {kTcp4, kTcp6, kUdp4, kUdp6, Socket{AF_UNIX, SOCK_DGRAM, 0, 1}}) {
    const Bytes nobody = ipv4("198.51.100.9", 9, AF_UNSPEC);
    const Served served = connect_with(socket, nobody, nobody.size());
    expect_performed(served, socket, nobody);
    EXPECT_FALSE(served.outcome.endpoint);
    expect_performed(connect_with(socket, nobody, 2), socket, resized(nobody, 2));
  }
}

TEST(Connect, RefusesSocketsThatNoRuleCanName) {
  const std::pair<Socket, Bytes> cases[] = {
      {{AF_INET, SOCK_RAW, IPPROTO_TCP, 1}, ipv4("192.0.2.1", 80)},
      {{AF_INET, SOCK_RAW, IPPROTO_RAW, 1}, ipv4("192.0.2.1", 80)},
      // A ping socket's rules are no rules for a socket that can send any ICMP message.
      {{AF_INET, SOCK_RAW, IPPROTO_ICMP, 1}, ipv4("192.0.2.7", 0)},
      {{AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, 1}, ipv6("2001:db8::7", 0)},
      {{AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6, 1}, ipv4("192.0.2.7", 0)},
      {{AF_INET6, SOCK_DGRAM, IPPROTO_ICMP, 1}, ipv6("2001:db8::7", 0)},
      {{AF_INET, SOCK_STREAM, IPPROTO_SCTP, 1}, ipv4("192.0.2.1", 80)},
      {{AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP, 1}, ipv4("192.0.2.1", 80)},
      // Same numbers of type and protocol, another family.
      {{AF_VSOCK, SOCK_STREAM, IPPROTO_TCP, 1}, ipv4("192.0.2.1", 80)},
      {{AF_PACKET, SOCK_RAW, 0, 1}, ipv4("192.0.2.1", 80)},
  };
  for (const auto& [socket, address] : cases) {
    SCOPED_TRACE(testing::Message() << socket.domain << ' ' << socket.type << ' ' << socket.protocol);
    const Served served = connect_with(socket, address, address.size());
    expect_refused(served, EACCES);
    ASSERT_TRUE(served.outcome.decision);
    EXPECT_EQ(served.outcome.decision->rule, "/network");
    EXPECT_TRUE(served.outcome.decision->log);
  }
}

// The agent itself never connects one: the other end would see the agent.
TEST(Connect, HasAThreadOfTheTargetsOwnConnectAUnixSocketOrNobody) {
  const Supervision unix_names =
      supervision_of(R"({"version": 1, "network": {"allow": ["unix:@good"], "deny": ["unix:@good.not"]}})");
  const auto named = [](const std::string& name) {
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<void*>(address.sun_path + 1), name.data(), name.size());
    return resized(bytes_of(address), offsetof(struct sockaddr_un, sun_path) + 1 + name.size());
  };
  struct Case {
    const char* name;
    Bytes address;
    int errno_value;
    const char* rule;
    bool reason;  // it was allowed, and could not be made
  };
  const Case cases[] = {
      {"allowed", named("good"), EACCES, "/network/allow/0", true},
      {"denied", named("good.not"), EACCES, "/network/deny/0", false},
      {"not named", named("other"), EACCES, "/network/allow", false},
      {"a NUL in it", named(std::string("good\0", 5)), EACCES, "/network/allow", false},
      {"no name", named("").size() > 3 ? named("") : resized(named("x"), 2), EINVAL, nullptr, false},
      {"another family", ipv4("192.0.2.1", 80), EINVAL, nullptr, false},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    ScriptedKernel kernel;
    kernel.put_socket(kSocketNumber, {AF_UNIX, SOCK_STREAM, 0, 1});
    kernel.put_memory(kPointer, test.address);
    OperationRun operation(kernel);
    Outcome outcome = operation.run(connect, unix_names, address_call(1, SYS_connect, test.address.size()));
    EXPECT_EQ(outcome.answer.kind, Answer::Kind::kErrno);
    EXPECT_EQ(outcome.answer.errno_value, test.errno_value);
    EXPECT_EQ(outcome.decision.has_value(), test.rule != nullptr);
    EXPECT_EQ(outcome.decision ? outcome.decision->rule : "", test.rule != nullptr ? test.rule : "");
    EXPECT_EQ(!outcome.reason.empty(), test.reason);
    EXPECT_TRUE(kernel.performed().empty());
  }
}

TEST(Connect, LetsTheKernelItselfBeAskedOverNetlink) {
  constexpr Socket kNetlink{AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 9};
  struct sockaddr_nl kernel_address {};
  kernel_address.nl_family = AF_NETLINK;
  expect_performed(connect_with(kNetlink, bytes_of(kernel_address), sizeof kernel_address), kNetlink,
                   bytes_of(kernel_address));

  struct sockaddr_nl process = kernel_address;
  process.nl_pid = 1;
  struct sockaddr_nl group = kernel_address;
  group.nl_groups = 1;
  struct sockaddr_nl unspecified = kernel_address;
  unspecified.nl_family = AF_UNSPEC;
  for (const auto& address : {process, group, unspecified}) {
    expect_refused(connect_with(kNetlink, bytes_of(address), sizeof address), EACCES);
  }
  expect_refused(connect_with(kNetlink, resized(bytes_of(kernel_address), 13), 13), EACCES);
  expect_refused(connect_with(kNetlink, resized(bytes_of(kernel_address), 11), 11), EACCES);
  expect_refused(connect_with(kTcp4, bytes_of(kernel_address), sizeof kernel_address), EAFNOSUPPORT);
}

TEST(Connect, FailsAsTheCallItselfWould) {
  const Bytes address = ipv4("192.0.2.1", 80);
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.put_file(4);
  kernel.put_memory(kPointer, address);
  const struct {
    const char* name;
    std::uint64_t fd;
    std::uint64_t pointer;
    int errno_value;
  } cases[] = {
      {"no such descriptor", 5, kPointer, EBADF}, {"a negative descriptor", ~0ULL, kPointer, EBADF},
      {"a file", 4, kPointer, ENOTSOCK},          {"an address nobody can read", kSocketNumber, 8192, EFAULT},
      {"no address", kSocketNumber, 0, EFAULT},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.name);
    OperationRun operation(kernel);
    Outcome outcome =
        operation.run(connect, supervision(), notification_of(1, SYS_connect, {test.fd, test.pointer, 16}));
    EXPECT_FALSE(outcome.decision);
    expect_refused({std::move(outcome), kernel.performed()}, test.errno_value);
  }
  // The kernel takes the descriptor as an int.
  OperationRun operation(kernel);
  const auto call = notification_of(1, SYS_connect, {0xdead00000000ULL + kSocketNumber, kPointer, 16});
  expect_performed({operation.run(connect, supervision(), call), kernel.performed()}, kTcp4, address);
}

TEST(Connect, AnswersWithTheErrnoOfWhatWasPerformed) {
  for (const int errno_value : {ECONNREFUSED, EINPROGRESS, EINTR, ETIMEDOUT, EISCONN, EADDRNOTAVAIL}) {
    ScriptedKernel kernel;
    kernel.put_socket(kSocketNumber, kTcp4);
    kernel.put_memory(kPointer, ipv4("192.0.2.1", 80));
    kernel.on_connect = [&](int, std::span<const std::byte>) -> Status {
      return fail(errno_value, "connect");
    };
    OperationRun operation(kernel);
    Outcome outcome = operation.run(connect, supervision(), address_call(1, SYS_connect, 16));
    EXPECT_EQ(outcome.answer.kind, Answer::Kind::kErrno);
    EXPECT_EQ(outcome.answer.errno_value, errno_value);
    ASSERT_TRUE(outcome.decision);
    EXPECT_EQ(outcome.decision->verdict, policy::Verdict::kAllow);
    EXPECT_EQ(kernel.performed().size(), 1U);
  }
}

// --- a target that changes things while it is served ------------------------------------------------

TEST(Connect, PerformsNothingForATargetThatNoLongerWaits) {
  // At whatever call of the agent the notification goes away, as long as it is before it asks.
  for (const Kind kind :
       {Kind::kOpenThread, Kind::kDuplicateFd, Kind::kSocketOption, Kind::kReadMemory, Kind::kIdValid}) {
    SCOPED_TRACE(static_cast<int>(kind));
    ScriptedKernel kernel;
    kernel.put_socket(kSocketNumber, kTcp4);
    kernel.put_memory(kPointer, ipv4("192.0.2.1", 80));
    kernel.before = [&](const ScriptedKernel::Recorded& call) {
      if (call.kind == kind) kernel.invalidate(1);
    };
    OperationRun operation(kernel);
    Outcome outcome = operation.run(connect, supervision(), address_call(1, SYS_connect, 16));
    expect_refused({std::move(outcome), kernel.performed()}, EINTR);
  }
}

TEST(Connect, PerformsWhatItDecidedOnHoweverMemoryAndDescriptorsChange) {
  for (const Kind kind : {Kind::kIdValid, Kind::kSocketCookie, Kind::kConnect}) {
    SCOPED_TRACE(static_cast<int>(kind));
    ScriptedKernel kernel;
    kernel.put_socket(kSocketNumber, kTcp4);
    kernel.put_memory(kPointer, ipv4("192.0.2.1", 80));
    kernel.before = [&](const ScriptedKernel::Recorded& call) {
      if (call.kind != kind) return;
      kernel.put_memory(kPointer, ipv4("192.0.2.66", 80));
      kernel.put_socket(kSocketNumber, kUdp4);
    };
    OperationRun operation(kernel);
    Outcome outcome = operation.run(connect, supervision(), address_call(1, SYS_connect, 16));
    expect_performed({std::move(outcome), kernel.performed()}, kTcp4, ipv4("192.0.2.1", 80));
    EXPECT_EQ(kernel.calls(Kind::kReadMemory).size(), 1U);
    EXPECT_EQ(kernel.calls(Kind::kDuplicateFd).size(), 1U);
  }
}

TEST(Connect, DecidesOnWhatItReadWhenMemoryChangedBefore) {
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.put_memory(kPointer, ipv4("192.0.2.1", 80));
  kernel.before = [&](const ScriptedKernel::Recorded& call) {
    if (call.kind == Kind::kReadMemory) kernel.put_memory(kPointer, ipv4("192.0.2.66", 80));
  };
  OperationRun operation(kernel);
  Outcome outcome = operation.run(connect, supervision(), address_call(1, SYS_connect, 16));
  expect_refused({std::move(outcome), kernel.performed()}, EACCES);
}

// Whatever bytes a target makes up: what is connected to is allowed, or nowhere.
TEST(Connect, NeverLeadsWhereNoRuleLeads) {
  std::mt19937 random(7);  // the same cases every time
  const auto any = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
  // Half of the time something near what is allowed, so that much is performed.
  const Bytes seeds[] = {
      ipv4("192.0.2.1", 80),    ipv4("192.0.2.1", 53),        ipv4("192.0.2.70", 9), ipv4("192.0.2.66", 9),
      ipv6("2001:db8::1", 443), ipv6("::ffff:192.0.2.1", 80), ipv4("0.0.0.0", 7),    ipv6("::", 8)};
  const Socket sockets[] = {kTcp4, kTcp6, kUdp4, kUdp6};
  int performed = 0;
  ScriptedKernel kernel;
  for (int round = 0; round < 20'000; ++round) {
    Bytes address = resized(seeds[any(std::size(seeds))], 28);
    for (unsigned change = any(3); change > 0; --change) {
      address[any(static_cast<unsigned>(address.size()))] = static_cast<std::byte>(random());
    }
    const Socket socket = sockets[any(std::size(sockets))];
    const std::uint64_t length = any(2) == 0 ? 16 : any(29);
    const Served served = connect_with(socket, address, length);
    if (served.performed.empty()) {
      ASSERT_EQ(served.outcome.answer.kind, Answer::Kind::kErrno);
      continue;
    }
    ++performed;
    const Bytes& bytes = served.performed[0].bytes;
    ASSERT_EQ(bytes.size(), length);
    sa_family_t family = AF_UNSPEC;
    if (length >= 2) std::memcpy(&family, bytes.data(), sizeof family);
    if (family == AF_UNSPEC) continue;
    const bool tcp = socket.type == SOCK_STREAM;
    std::string host(INET6_ADDRSTRLEN, '\0');
    std::uint16_t port = 0;
    if (family == AF_INET) {
      struct sockaddr_in in {};
      std::memcpy(&in, bytes.data(), sizeof in);
      ASSERT_NE(::inet_ntop(AF_INET, &in.sin_addr, host.data(), INET6_ADDRSTRLEN), nullptr);
      port = ntohs(in.sin_port);
    } else {
      ASSERT_EQ(family, AF_INET6);
      struct sockaddr_in6 in {};
      std::memcpy(&in, bytes.data(), std::min(bytes.size(), sizeof in));
      ASSERT_NE(::inet_ntop(AF_INET6, &in.sin6_addr, host.data(), INET6_ADDRSTRLEN), nullptr);
      port = ntohs(in.sin6_port);
    }
    host.resize(std::strlen(host.c_str()));
    if (host.starts_with("::ffff:") && host.find('.') != std::string::npos) host.erase(0, 7);
    int last = 0;
    // NOLINTNEXTLINE(bugprone-unchecked-string-to-number-conversion): of an address
    const bool in_prefix = std::sscanf(host.c_str(), "192.0.2.%d", &last) == 1 && last >= 64 && last <= 79;
    const bool allowed =
        (tcp && host == "192.0.2.1" && port == 80) || (!tcp && host == "192.0.2.1" && port == 53) ||
        (tcp && host == "2001:db8::1" && port == 443) || (in_prefix && host != "192.0.2.66") ||
        (host == "127.0.0.1" && port == 7) || (tcp && host == "::1" && port == 8);
    ASSERT_TRUE(allowed) << host << ' ' << port;
  }
  EXPECT_GT(performed, 1000);
}

// --- calls that wait --------------------------------------------------------------------------------

TEST(Connect, DoesNotBlockWhereNoMoreCallsMayWait) {
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.put_socket(4, kUdp4);
  kernel.put_memory(kPointer, ipv4("192.0.2.65", 80));
  OperationRun operation(kernel);
  operation.stop_waiting();
  const auto run = [&](std::uint64_t fd) {
    return operation.run(connect, supervision(), notification_of(1, SYS_connect, {fd, kPointer, 16}));
  };
  expect_refused({run(kSocketNumber), kernel.performed()}, EAGAIN);
  // To connect a datagram socket takes no time.
  EXPECT_EQ(run(4).answer.kind, Answer::Kind::kValue);
  EXPECT_EQ(kernel.performed().size(), 1U);
}

// --- audit ------------------------------------------------------------------------------------------

TEST(Connect, IsLeftToTheKernelInAuditMode) {
  const Supervision audit =
      supervision_of(R"({"version": 1, "mode": "audit", "network": {"allow": ["192.0.2.1"]}})");
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  OperationRun operation(kernel);
  for (const auto& [host, verdict] :
       {std::pair{"192.0.2.1", policy::Verdict::kAllow}, std::pair{"192.0.2.2", policy::Verdict::kDeny}}) {
    kernel.put_memory(kPointer, ipv4(host, 80));
    Outcome outcome = operation.run(connect, audit, address_call(1, SYS_connect, 16));
    EXPECT_EQ(outcome.answer.kind, Answer::Kind::kLetRun);
    ASSERT_TRUE(outcome.decision);
    EXPECT_EQ(outcome.decision->verdict, verdict);
    EXPECT_TRUE(kernel.performed().empty());
  }
}

TEST(Connect, RefusesWithTheErrnoOfThePolicy) {
  const Supervision other =
      supervision_of(R"({"version": 1, "network": {"allow": [], "errno": "EHOSTUNREACH"}})");
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.put_socket(4, {AF_INET, SOCK_RAW, IPPROTO_TCP, 1});
  kernel.put_memory(kPointer, ipv4("192.0.2.1", 80));
  OperationRun operation(kernel);
  for (const std::uint64_t fd : {3ULL, 4ULL}) {
    Outcome outcome = operation.run(connect, other, notification_of(1, SYS_connect, {fd, kPointer, 16}));
    expect_refused({std::move(outcome), kernel.performed()}, EHOSTUNREACH);
  }
}

// The worker before was killed between the call and its note of what came of it.
TEST(Connect, RecognisesWhatAnEarlierWorkerDid) {
  const Bytes address = ipv4("192.0.2.1", 80);
  const struct {
    int second;    // what the kernel says when asked again
    Bytes peer;    // whom the socket is connected to
    int expected;  // 0: it is connected
  } cases[] = {
      {EISCONN, address, 0},
      {EISCONN, ipv4("192.0.2.65", 80), EISCONN},
      {EISCONN, {}, 0},  // the peer has reset it since
      {EALREADY, {}, EINPROGRESS},
      {ECONNREFUSED, {}, ECONNREFUSED},
      {0, {}, 0},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.second);
    ScriptedKernel kernel;
    kernel.put_socket(kSocketNumber, kTcp4);
    kernel.put_memory(kPointer, address);
    OperationRun operation(kernel);
    const auto call = address_call(1, SYS_connect, address.size());
    (void)operation.run(connect, supervision(), call);
    kernel.peer = test.peer;
    kernel.on_connect = [&](int, std::span<const std::byte>) -> Status {
      if (test.second != 0) return fail(test.second, "connect");
      return {};
    };
    const Outcome outcome = operation.run_again(connect, supervision(), call);
    EXPECT_EQ(outcome.answer.kind == Answer::Kind::kValue ? 0 : outcome.answer.errno_value, test.expected);
    // To a worker that had none before it, the kernel's word is the last.
    const Outcome anew = operation.run(connect, supervision(), call);
    EXPECT_EQ(anew.answer.kind == Answer::Kind::kValue ? 0 : anew.answer.errno_value, test.second);
  }
}

TEST(Connect, DoesNotRepeatWhatIsKnown) {
  const Bytes address = ipv4("192.0.2.1", 80);
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.put_memory(kPointer, address);
  OperationRun operation(kernel);
  const auto call = address_call(1, SYS_connect, address.size());
  (void)operation.run(connect, supervision(), call);
  operation.slot().record(Answer::refuse(ECONNREFUSED));
  const Outcome outcome = operation.run_again(connect, supervision(), call);
  EXPECT_EQ(outcome.answer.errno_value, ECONNREFUSED);
  EXPECT_EQ(kernel.performed().size(), 1U);
}

// An unspecified host is decided as the loopback address, and connected to there.
TEST(Connect, NotesItsAddressAsTheTargetNamesIt) {
  const Supervision loopback = supervision_of(R"({"version": 1, "network": {"allow": ["127.0.0.1"]}})");
  const Bytes address = ipv4("0.0.0.0", 80);
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.put_memory(kPointer, address);
  OperationRun operation(kernel);
  const auto call = address_call(1, SYS_connect, address.size());
  const Outcome outcome = operation.run(connect, loopback, call);
  ASSERT_TRUE(outcome.performed);
  EXPECT_EQ(kernel.performed()[0].bytes, ipv4("127.0.0.1", 80));
  EXPECT_TRUE(operation.slot().begun(kTcp4.cookie, outcome.performed->address));
  kernel.peer = ipv4("127.0.0.1", 80);
  kernel.on_connect = [](int, std::span<const std::byte>) -> Status { return fail(EISCONN, "connect"); };
  EXPECT_EQ(operation.run_again(connect, loopback, call).answer.kind, Answer::Kind::kValue);
}

// It was interrupted, and has come to its end before it is asked again.
TEST(Connect, IsNotRefusedForHavingSucceededMeanwhile) {
  const Bytes address = ipv4("192.0.2.1", 80);
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.put_memory(kPointer, address);
  OperationRun operation(kernel);
  operation.repeats().remember(
      {.tid = kTid, .number = SYS_connect, .socket_cookie = kTcp4.cookie, .address = address},
      Answer::refuse(EINTR));
  kernel.peer = address;
  kernel.on_connect = [](int, std::span<const std::byte>) -> Status { return fail(EISCONN, "connect"); };
  const Outcome outcome = operation.run(connect, supervision(), address_call(2, SYS_connect, 16));
  EXPECT_EQ(outcome.answer.kind, Answer::Kind::kValue);
}

// Whichever of the two the next worker finds, it knows that the call was made: there is no moment with
// neither.
TEST(Connect, ForgetsALostAnswerWhenTheSlotHasIt) {
  const Bytes address = ipv4("192.0.2.1", 80);
  for (const Answer& answer : {Answer::result(0), Answer::refuse(EINPROGRESS), Answer::refuse(EINTR)}) {
    ScriptedKernel kernel;
    kernel.put_socket(kSocketNumber, kTcp4);
    kernel.put_memory(kPointer, address);
    OperationRun operation(kernel);
    const PerformedCall call{
        .tid = kTid, .number = SYS_connect, .socket_cookie = kTcp4.cookie, .address = address};
    operation.repeats().remember(call, answer);
    kernel.on_connect = [&](int, std::span<const std::byte>) -> Status {
      EXPECT_FALSE(operation.repeats().find(call));
      EXPECT_TRUE(operation.slot().begun(kTcp4.cookie, address));
      return {};
    };
    const struct seccomp_notif received = address_call(2, SYS_connect, 16);
    EXPECT_TRUE(operation.run(connect, supervision(), received).performed);
    EXPECT_FALSE(operation.repeats().find(call));
    const bool nobody_knows = answer.errno_value == EINTR;
    EXPECT_EQ(operation.slot().recorded().has_value(), !nobody_knows);
    const Outcome next = operation.run_again(connect, supervision(), received);
    EXPECT_EQ(next.answer.kind, nobody_knows ? Answer::Kind::kValue : answer.kind);
    EXPECT_EQ(kernel.calls(Kind::kConnect).size(), nobody_knows ? 2U : 0U);
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor
