#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "oci/policy/address.h"
#include "oci/policy/decide.h"
#include "supervisor/operations/bind.h"
#include "supervisor/operations/connect.h"
#include "supervisor/operations/send.h"
#include "tests/fuzz/fuzzed_target.h"

// connect, bind, sendto, sendmsg and sendmmsg of a target that may change its memory after each look, on
// sockets of all kinds, and with a kernel that fails now and then. Whatever the agent performs has to be what
// the policy allows.
//
//   1 byte    the call
//   1 byte    the socket
//   1 byte    bit 0: hostile, 1: nonblocking, 2: a user namespace of its own, 3: a network of its own
//   1 byte    which call of the kernel's fails
//   1 byte    with which errno
//   4 bytes   how much of the memory can be read
//   2 bytes   how much a send takes at a time, less one
//   40 bytes  arguments 1 to 5
//   rest      the memory

namespace tidewaiter::supervisor {
namespace {

using Kind = ScriptedKernel::Kind;
using Socket = ScriptedKernel::Socket;
using policy::Transport;

constexpr std::array<long, 5> kCalls{SYS_connect, SYS_bind, SYS_sendto, SYS_sendmsg, SYS_sendmmsg};
constexpr std::array<Socket, 12> kSockets{{{AF_INET, SOCK_STREAM, IPPROTO_TCP, 1},
                                           {AF_INET6, SOCK_STREAM, IPPROTO_TCP, 2},
                                           {AF_INET, SOCK_DGRAM, IPPROTO_UDP, 3},
                                           {AF_INET6, SOCK_DGRAM, IPPROTO_UDP, 4},
                                           {AF_INET, SOCK_DGRAM, IPPROTO_ICMP, 5},
                                           {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, 6},
                                           {AF_INET, SOCK_RAW, IPPROTO_UDP, 7},
                                           {AF_UNIX, SOCK_STREAM, 0, 8},
                                           {AF_UNIX, SOCK_DGRAM, 0, 9},
                                           {AF_UNIX, SOCK_SEQPACKET, 0, 10},
                                           {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 11},
                                           {AF_VSOCK, SOCK_STREAM, 0, 12}}};
constexpr std::array<int, 7> kErrors{EAGAIN, EPERM, EINTR, EPIPE, EACCES, EISCONN, EINPROGRESS};

const Supervision& supervision() {
  static const Supervision made = supervision_of(R"({"version": 1, "network": {
      "allow": ["127.0.0.0/8", "udp://192.0.2.0/24:53", "[2001:db8::/32]:1-1000", "icmp://[::1]", "unix:@a*"],
      "deny": ["127.0.0.1:80", "unix:/run/**"], "bind": ["0", "8000-9000"]}})");
  return made;
}

std::optional<Transport> transport_of(const Socket& socket) {
  switch (socket.protocol) {
    case IPPROTO_TCP:
      return Transport::kTcp;
    case IPPROTO_UDP:
      return socket.type == SOCK_DGRAM ? std::optional(Transport::kUdp) : std::nullopt;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return Transport::kIcmp;
    default:
      return std::nullopt;
  }
}

template <typename Structure>
Structure structure_of(std::span<const std::byte> bytes) {
  Structure structure{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), sizeof structure),
              std::as_writable_bytes(std::span(&structure, 1)).begin());
  return structure;
}

// The address as the kernel reads it; nullopt where it will not have it.
std::optional<policy::Endpoint> as_kernel(Transport transport, std::span<const std::byte> bytes) {
  policy::Endpoint endpoint{transport, {}, 0};
  const auto ipv4 = structure_of<struct sockaddr_in>(bytes);
  if (bytes.size() < sizeof ipv4) return std::nullopt;
  endpoint.port = ntohs(ipv4.sin_port);
  if (ipv4.sin_family == AF_INET || ipv4.sin_family == AF_UNSPEC) {
    std::memcpy(endpoint.address.bytes.data(), &ipv4.sin_addr, sizeof ipv4.sin_addr);
    return endpoint;
  }
  constexpr std::size_t kShortest = 24;
  if (ipv4.sin_family != AF_INET6 || bytes.size() < kShortest) return std::nullopt;
  const auto ipv6 = structure_of<struct sockaddr_in6>(bytes);
  endpoint.address.family = policy::IpAddress::Family::kIpv6;
  std::memcpy(endpoint.address.bytes.data(), &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
  endpoint.address = policy::unmapped(endpoint.address);
  return endpoint;
}

// To an address that is none the kernel would connect a socket to itself, or to where that is bound.
bool is_somewhere(const policy::IpAddress& address) { return policy::as_destination(address) == address; }

bool is_allowed(const policy::Decision& decision) { return decision.verdict == policy::Verdict::kAllow; }

bool is_own_kernel(std::span<const std::byte> bytes) {
  const auto netlink = structure_of<struct sockaddr_nl>(bytes);
  return bytes.size() == sizeof netlink && netlink.nl_family == AF_NETLINK && netlink.nl_pid == 0 &&
         netlink.nl_groups == 0;
}

void check_connect(const Socket& socket, std::span<const std::byte> address) {
  // Not even a family: the kernel will not have it (inet_stream_connect, inet_dgram_connect).
  if (address.size() < sizeof(sa_family_t)) return;
  const int family = structure_of<struct sockaddr>(address).sa_family;
  const auto transport = transport_of(socket);
  if (family == AF_UNSPEC && (transport || socket.domain == AF_UNIX)) return;
  if (socket.domain == AF_NETLINK) {
    MUST(is_own_kernel(address));
    return;
  }
  // To Unix sockets the target's own threads connect, and there is none here that could.
  MUST(transport);
  const auto destination = as_kernel(*transport, address);
  MUST(destination && is_somewhere(destination->address));
  MUST(is_allowed(supervision().decide_connect(*destination)));
}

void check_bind(const Socket& socket, std::span<const std::byte> address) {
  if (socket.domain == AF_NETLINK) {
    MUST(structure_of<struct sockaddr_nl>(address).nl_groups == 0);
    return;
  }
  const auto transport = transport_of(socket);
  MUST(transport && *transport != Transport::kIcmp);
  const auto local = as_kernel(*transport, address);
  MUST(local && is_allowed(supervision().decide_bind(*local)));
}

void check_send(const Socket& socket, const ScriptedKernel::Recorded& sent) {
  constexpr std::int64_t kForbidden = MSG_FASTOPEN | MSG_ZEROCOPY;
  MUST((sent.value & kForbidden) == 0 && (sent.value & MSG_NOSIGNAL) != 0);
  MUST(sent.payload.size() <= (512U << 10U));
  static_cast<void>(check_control(socket.domain, sent.control));
  const auto transport = transport_of(socket);
  if (sent.bytes.empty()) return;
  if (socket.domain == AF_UNIX) {
    MUST(socket.type != SOCK_DGRAM);
  } else if (socket.domain == AF_NETLINK) {
    MUST(is_own_kernel(sent.bytes));
  } else {
    MUST(transport && *transport != Transport::kTcp);
    check_connect(socket, sent.bytes);
  }
}

void check_performed(const Socket& socket, const ScriptedKernel& kernel) {
  for (const auto& performed : kernel.performed()) {
    MUST(performed.cookie == socket.cookie);
    if (performed.kind == Kind::kConnect) {
      check_connect(socket, performed.bytes);
    } else if (performed.kind == Kind::kSend) {
      check_send(socket, performed);
    } else {
      check_bind(socket, performed.bytes);
    }
  }
}

void check(fuzz::Input input) {
  begin_as_agent();
  const long number = kCalls[input.take<std::uint8_t>() % kCalls.size()];
  const Socket& socket = kSockets[input.take<std::uint8_t>() % kSockets.size()];
  const auto flags = input.take<std::uint8_t>();
  const auto failing = input.take<std::uint8_t>();
  const int error = kErrors[input.take<std::uint8_t>() % kErrors.size()];
  const auto readable = input.take<std::uint32_t>();
  const std::size_t most = std::size_t{1} + input.take<std::uint16_t>();
  struct seccomp_notif notification = notification_of(1, static_cast<int>(number), {kSocketNumber});
  for (int index = 1; index < 6; ++index) notification.data.args[index] = input.take<std::uint64_t>();
  FuzzedMemory memory(input.rest(), readable, (flags & 1U) != 0);

  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, socket);
  for (const int file : {0, 1, 2}) kernel.put_file(file);
  kernel.put_process(kTid, {kStatus, "/bin/x", kIdMap});
  kernel.set_nonblocking((flags & 2U) != 0);
  kernel.set_shares_users((flags & 4U) == 0);
  kernel.set_owns_network((flags & 8U) != 0);
  if (failing != 0) kernel.fail_at(failing, error);
  kernel.on_read = [&](TargetAddress address, std::span<std::byte> buffer) {
    return memory.read(address, buffer);
  };
  int sends = 0;
  kernel.on_send = [&](const OutgoingMessage& message, int) -> Result<std::size_t> {
    // A gigabyte of zeros shows nothing that some megabytes do not.
    constexpr int kPatience = 32;
    if (++sends > kPatience) return fail(EPIPE, "send");
    const std::size_t size = message.payload.size();
    return socket.type == SOCK_STREAM ? std::min(size, most) : size;
  };
  const auto operation = number == SYS_connect ? connect : number == SYS_bind ? bind : send;
  const Outcome outcome = OperationRun(kernel).run(operation, supervision(), notification);
  fuzz::note(!kernel.performed().empty());
  MUST(outcome.answer.kind == Answer::Kind::kErrno || outcome.answer.kind == Answer::Kind::kValue);
  MUST(outcome.answer.kind != Answer::Kind::kErrno || outcome.answer.errno_value > 0);
  check_performed(socket, kernel);
}

}  // namespace
}  // namespace tidewaiter::supervisor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::supervisor::check(tidewaiter::fuzz::Input(data, size));
  return 0;
}
