#include "supervisor/operations/socket.h"

#include <linux/netlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "oci/policy/address.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace tidewaiter::supervisor {
namespace {

// sockaddr_in6 without sin6_scope_id, as RFC 2133 had it: what the kernel still accepts (SIN6_LEN_RFC2133).
constexpr std::size_t kShortestIpv6 = 24;

template <typename Address>
Address address_as(std::span<const std::byte> bytes) {
  Address address{};
  std::memcpy(&address, bytes.data(), std::min(bytes.size(), sizeof address));
  return address;
}

}  // namespace

std::optional<policy::Transport> Socket::transport() const {
  if (domain != AF_INET && domain != AF_INET6) return std::nullopt;
  if (type == SOCK_STREAM && (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP))
    return policy::Transport::kTcp;
  if (type == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE))
    return policy::Transport::kUdp;
  const int icmp = domain == AF_INET ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  if (type == SOCK_DGRAM && protocol == icmp) return policy::Transport::kIcmp;
  return std::nullopt;
}

Result<Socket> open_socket(Call& call, int number) {
  Socket socket;
  socket.fd = TRY(call.target.duplicate_fd(number));
  const int fd = socket.fd.get();
  socket.domain = TRY(call.kernel.socket_option(fd, SOL_SOCKET, SO_DOMAIN));
  socket.type = TRY(call.kernel.socket_option(fd, SOL_SOCKET, SO_TYPE));
  socket.protocol = TRY(call.kernel.socket_option(fd, SOL_SOCKET, SO_PROTOCOL));
  return socket;
}

Result<std::vector<std::byte>> capture_address(const Call& call, TargetAddress address,
                                               std::uint64_t length) {
  // The kernel takes the length as an int: the upper half of the register does not count.
  const int size = static_cast<int>(static_cast<std::uint32_t>(length));
  if (size < 0 || static_cast<std::size_t>(size) > sizeof(struct sockaddr_storage)) {
    return fail(EINVAL, "address length");
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  if (!bytes.empty()) TRY(call.target.read(address, bytes));
  return bytes;
}

int family(std::span<const std::byte> address) {
  if (address.size() < sizeof(sa_family_t)) return AF_UNSPEC;
  return address_as<struct sockaddr>(address).sa_family;
}

Result<policy::Endpoint> parse_endpoint(policy::Transport transport, std::span<const std::byte> address) {
  policy::Endpoint endpoint;
  endpoint.transport = transport;
  switch (family(address)) {
    case AF_INET: {
      if (address.size() < sizeof(struct sockaddr_in)) return fail(EINVAL, "IPv4 address too short");
      const auto ipv4 = address_as<struct sockaddr_in>(address);
      std::memcpy(endpoint.address.bytes.data(), &ipv4.sin_addr, sizeof ipv4.sin_addr);
      endpoint.port = ntohs(ipv4.sin_port);
      return endpoint;
    }
    case AF_INET6: {
      if (address.size() < kShortestIpv6) return fail(EINVAL, "IPv6 address too short");
      const auto ipv6 = address_as<struct sockaddr_in6>(address);
      if (IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)) {
        std::memcpy(endpoint.address.bytes.data(), ipv6.sin6_addr.s6_addr + 12, 4);
      } else {
        endpoint.address.family = policy::IpAddress::Family::kIpv6;
        std::memcpy(endpoint.address.bytes.data(), &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
      }
      endpoint.port = ntohs(ipv6.sin6_port);
      return endpoint;
    }
    default:
      return fail(EAFNOSUPPORT, "address family");
  }
}

bool is_netlink_kernel(std::span<const std::byte> address) {
  if (address.size() != sizeof(struct sockaddr_nl)) return false;
  const auto netlink = address_as<struct sockaddr_nl>(address);
  return netlink.nl_family == AF_NETLINK && netlink.nl_pid == 0 && netlink.nl_groups == 0;
}

std::vector<std::byte> where_decided(std::vector<std::byte> address,
                                     const std::optional<policy::Endpoint>& destination) {
  if (!destination) return address;
  const policy::IpAddress host = policy::as_destination(destination->address);
  if (host != destination->address) replace_host(address, host);
  return address;
}

bool is_address(std::span<const std::byte> found, std::span<const std::byte> asked) {
  const auto one = parse_endpoint(policy::Transport::kTcp, found);
  const auto other = parse_endpoint(policy::Transport::kTcp, asked);
  if (one && other) {
    return one->address == other->address && one->port != 0 && (one->port == other->port || other->port == 0);
  }
  if (family(found) == AF_UNIX && family(asked) == AF_UNIX && asked.size() == sizeof(sa_family_t)) {
    return found.size() > asked.size();  // a name of the kernel's choice
  }
  return std::equal(found.begin(), found.end(), asked.begin(), asked.end());
}

bool breaks_pipe(const Socket& socket, int flags, const Answer& answer) {
  return answer.fails_with(EPIPE) && socket.type == SOCK_STREAM && (flags & MSG_NOSIGNAL) == 0;
}

void replace_host(std::span<std::byte> address, const policy::IpAddress& host) {
  const bool ipv4 = host.family == policy::IpAddress::Family::kIpv4;
  std::size_t offset = offsetof(struct sockaddr_in, sin_addr);
  if (family(address) == AF_INET6) {
    constexpr std::size_t kMappedPrefix = 12;
    offset = offsetof(struct sockaddr_in6, sin6_addr) + (ipv4 ? kMappedPrefix : 0);
  }
  std::memcpy(address.data() + offset, host.bytes.data(), ipv4 ? 4 : host.bytes.size());
}

}  // namespace tidewaiter::supervisor
