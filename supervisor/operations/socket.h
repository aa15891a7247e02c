#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/policy/decide.h"
#include "supervisor/operations/operation.h"

// What connect, bind and send have in common: a copy of the target's socket, and an address captured from its
// memory.

namespace tidewaiter::supervisor {

// A copy of the target's socket, and what kind of socket that copy is. Family and protocol of a socket never
// change, so what is asked of the copy stays true however often the target puts another one under its number.
struct Socket {
  UniqueFd fd;
  int domain = 0;    // AF_*
  int type = 0;      // SOCK_*
  int protocol = 0;  // IPPROTO_*

  // The transport network rules speak of; nullopt for what they cannot name (raw, SCTP, …). kIcmp is a ping
  // socket (icmp(7)), which sends echo requests only; a raw ICMP socket could send anything.
  [[nodiscard]] std::optional<policy::Transport> transport() const;
};

// EBADF, ENOTSOCK as the call itself would answer.
Result<Socket> open_socket(Call& call, int number);

// The bytes of a socket address, as move_addr_to_kernel (net/socket.c) reads them: EINVAL when the length is
// negative or above sizeof(sockaddr_storage), EFAULT when it cannot be read.
Result<std::vector<std::byte>> capture_address(const Call& call, TargetAddress address, std::uint64_t length);

// sa_family, or AF_UNSPEC when the bytes are too few to hold one.
int family(std::span<const std::byte> address);

// The IP address and port in a captured AF_INET or AF_INET6 address; IPv4-mapped IPv6 becomes IPv4. EINVAL
// when it is too short for its family, EAFNOSUPPORT for any other family.
Result<policy::Endpoint> parse_endpoint(policy::Transport transport, std::span<const std::byte> address);

// Whether it is the netlink address of the kernel itself (netlink(7)): neither another process's nor a
// group's.
bool is_netlink_kernel(std::span<const std::byte> address);

// The captured address, except that an unspecified host (0.0.0.0, ::) becomes the loopback address it was
// decided as: left to itself the kernel takes the address the socket is bound to, which is another one.
std::vector<std::byte> where_decided(std::vector<std::byte> address,
                                     const std::optional<policy::Endpoint>& destination);

// Whether a socket that says `found` of itself has the address that was `asked` for, where 0 asks for any
// port.
bool is_address(std::span<const std::byte> found, std::span<const std::byte> asked);

// Whether a SIGPIPE goes with what a send with these flags came to (sk_stream_error in net/core/stream.c,
// unix_stream_sendmsg in net/unix/af_unix.c).
bool breaks_pipe(const Socket& socket, int flags, const Answer& answer);

// Puts `host` where parse_endpoint() found the IP address. REQUIRES: it found one, of the same family.
void replace_host(std::span<std::byte> address, const policy::IpAddress& host);

}  // namespace tidewaiter::supervisor
