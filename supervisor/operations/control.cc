#include "supervisor/operations/control.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

// Newer than the headers of Debian 12's C library, or only in the kernel's.
#ifndef SO_TIMESTAMPING_OLD
#define SO_TIMESTAMPING_OLD 37
#endif
#ifndef SO_TIMESTAMPING_NEW
#define SO_TIMESTAMPING_NEW 65
#endif
#ifndef SCM_TXTIME
#define SCM_TXTIME 61
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace tidewaiter::supervisor {
namespace {

constexpr int kMostDescriptors = 253;     // SCM_MAX_FD (include/net/scm.h)
constexpr int kHighestPlainPriority = 6;  // above it takes a capability (socket(7), SO_PRIORITY)

// One control message: where it lies in the captured bytes.
struct Piece {
  int level = 0;
  int type = 0;
  std::span<const std::byte> whole;  // header included, without padding
  [[nodiscard]] std::span<const std::byte> data() const { return whole.subspan(CMSG_LEN(0)); }
};

// As for_each_cmsghdr and CMSG_OK (include/linux/socket.h) see them.
Result<std::vector<Piece>> pieces(std::span<const std::byte> control) {
  std::vector<Piece> found;
  while (control.size() >= sizeof(struct cmsghdr)) {
    struct cmsghdr header {};
    std::memcpy(&header, control.data(), sizeof header);
    if (header.cmsg_len < sizeof header || header.cmsg_len > control.size()) return fail(EINVAL, "cmsg_len");
    found.push_back({header.cmsg_level, header.cmsg_type, control.subspan(0, header.cmsg_len)});
    control = control.subspan(std::min(CMSG_ALIGN(header.cmsg_len), control.size()));
  }
  return found;
}

void append(std::vector<std::byte>& control, int level, int type, std::span<const std::byte> data) {
  const std::size_t start = control.size();
  control.resize(start + CMSG_SPACE(data.size()));
  struct cmsghdr header {};
  header.cmsg_len = CMSG_LEN(data.size());
  header.cmsg_level = level;
  header.cmsg_type = type;
  std::memcpy(control.data() + start, &header, sizeof header);
  if (!data.empty()) std::memcpy(control.data() + start + CMSG_LEN(0), data.data(), data.size());
}

// --- IPv4 and IPv6 ----------------------------------------------------------------------------------

// What a control message means for whoever may send it along.
enum class Kind {
  kHarmless,  // concerns this message's own packets, and anybody may ask for it
  kPriority,  // harmless up to a value
  kIgnored,   // means something on Unix sockets only (sock_cmsg_send, net/core/sock.c)
  kRefused,   // leads elsewhere, or takes a capability that the agent has
};

struct Known {
  int level;
  int type;
  Kind kind;
};

// ip_cmsg_send (net/ipv4/ip_sockglue.c), ip6_datagram_send_ctl (net/ipv6/datagram.c), __sock_cmsg_send.
constexpr Known kKnown[] = {
    {SOL_SOCKET, SCM_RIGHTS, Kind::kIgnored},
    {SOL_SOCKET, SCM_CREDENTIALS, Kind::kIgnored},
    {SOL_SOCKET, SO_MARK, Kind::kRefused},  // chooses the route; CAP_NET_ADMIN or CAP_NET_RAW
    {SOL_SOCKET, SO_PRIORITY, Kind::kPriority},
    {SOL_SOCKET, SO_TIMESTAMPING_OLD, Kind::kHarmless},
    {SOL_SOCKET, SO_TIMESTAMPING_NEW, Kind::kHarmless},
    {SOL_SOCKET, SCM_TXTIME, Kind::kHarmless},
    {IPPROTO_IP, IP_RETOPTS, Kind::kRefused},  // source routes
    {IPPROTO_IP, IP_PKTINFO, Kind::kHarmless},
    {IPPROTO_IP, IP_TTL, Kind::kHarmless},
    {IPPROTO_IP, IP_TOS, Kind::kHarmless},
    {IPPROTO_IPV6, IPV6_2292PKTINFO, Kind::kHarmless},
    {IPPROTO_IPV6, IPV6_PKTINFO, Kind::kHarmless},
    {IPPROTO_IPV6, IPV6_FLOWINFO, Kind::kHarmless},
    {IPPROTO_IPV6, IPV6_2292HOPLIMIT, Kind::kHarmless},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, Kind::kHarmless},
    {IPPROTO_IPV6, IPV6_TCLASS, Kind::kHarmless},
    {IPPROTO_IPV6, IPV6_DONTFRAG, Kind::kHarmless},
    {IPPROTO_IPV6, IPV6_2292RTHDR, Kind::kRefused},  // source routes
    {IPPROTO_IPV6, IPV6_RTHDR, Kind::kRefused},
    {IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, Kind::kRefused},
    {IPPROTO_IPV6, IPV6_2292HOPOPTS, Kind::kRefused},  // CAP_NET_RAW
    {IPPROTO_IPV6, IPV6_HOPOPTS, Kind::kRefused},
    {IPPROTO_IPV6, IPV6_2292DSTOPTS, Kind::kRefused},
    {IPPROTO_IPV6, IPV6_DSTOPTS, Kind::kRefused},
    {IPPROTO_UDP, UDP_SEGMENT, Kind::kHarmless},
};

const Known* find_known(const Piece& piece) {
  const auto* found = std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& known) {
    return known.level == piece.level && known.type == piece.type;
  });
  return found == std::end(kKnown) ? nullptr : found;
}

Status check_priority(const Piece& piece) {
  std::int32_t priority = 0;
  if (piece.data().size() != sizeof priority) return fail(EINVAL, "SO_PRIORITY");
  std::memcpy(&priority, piece.data().data(), sizeof priority);
  if (priority < 0 || priority > kHighestPlainPriority) return fail(EPERM, "SO_PRIORITY");
  return {};
}

Result<Control> for_packets(const std::vector<Piece>& captured) {
  Control control;
  for (const Piece& piece : captured) {
    const Known* known = find_known(piece);
    if (known == nullptr) return fail(EINVAL, "control message");
    if (known->kind == Kind::kRefused) return fail(EPERM, "control message");
    if (known->kind == Kind::kIgnored) continue;
    if (known->kind == Kind::kPriority) TRY(check_priority(piece));
    append(control.bytes, piece.level, piece.type, piece.data());
  }
  control.without_descriptors = control.bytes;
  return control;
}

// --- Unix sockets -----------------------------------------------------------------------------------

Status copy_descriptors(Call& call, const Piece& piece, std::vector<UniqueFd>& copies) {
  std::vector<std::int32_t> numbers(piece.data().size() / sizeof(std::int32_t));
  if (numbers.size() + copies.size() > kMostDescriptors) return fail(EINVAL, "SCM_RIGHTS");
  if (!numbers.empty()) {
    std::memcpy(numbers.data(), piece.data().data(), numbers.size() * sizeof(std::int32_t));
  }
  for (const std::int32_t number : numbers) copies.push_back(TRY(call.target.duplicate_fd(number)));
  return {};
}

bool contains(const std::array<std::uint32_t, 3>& ids, std::uint32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// The credentials that the target named, as scm_check_creds (net/core/scm.c) lets it without capabilities:
// its own process, and a user and a group that it is. EPERM for any others, which would take some.
Result<struct ucred> named_credentials(const Call& call, const Credentials& target, const Piece& piece) {
  struct ucred named {};
  if (piece.data().size() != sizeof named) return fail(EINVAL, "SCM_CREDENTIALS");
  std::memcpy(&named, piece.data().data(), sizeof named);
  if (named.pid != target.own_number) return fail(EPERM, "SCM_CREDENTIALS of another process");
  named.pid = target.process;
  named.uid = TRY(call.target.id_outside("uid_map", named.uid));
  named.gid = TRY(call.target.id_outside("gid_map", named.gid));
  if (!contains(target.users, named.uid) || !contains(target.groups, named.gid)) {
    return fail(EPERM, "SCM_CREDENTIALS of another user or group");
  }
  return named;
}

// A receiver that asks who sent (SO_PASSCRED, SO_PASSPIDFD) would hear of the agent: the kernel attaches its
// caller. So every message says whose it is, as the kernel would say it of the target (maybe_add_creds,
// net/unix/af_unix.c: the real user and group).
Result<Control> for_unix(Call& call, const std::vector<Piece>& captured) {
  const Credentials target = TRY(call.target.credentials());
  struct ucred sender {};
  sender.pid = target.process;
  sender.uid = target.users[0];
  sender.gid = target.groups[0];
  Control control;
  for (const Piece& piece : captured) {
    if (piece.level != SOL_SOCKET) continue;  // as the kernel does
    if (piece.type == SCM_RIGHTS) {
      TRY(copy_descriptors(call, piece, control.descriptors));
    } else if (piece.type == SCM_CREDENTIALS) {
      sender = TRY(named_credentials(call, target, piece));
    } else {
      return fail(EINVAL, "control message");
    }
  }
  append(control.without_descriptors, SOL_SOCKET, SCM_CREDENTIALS, std::as_bytes(std::span(&sender, 1)));
  control.bytes = control.without_descriptors;
  if (control.descriptors.empty()) return control;
  std::vector<std::int32_t> numbers;
  numbers.reserve(control.descriptors.size());
  for (const UniqueFd& copy : control.descriptors) numbers.push_back(copy.get());
  append(control.bytes, SOL_SOCKET, SCM_RIGHTS, std::as_bytes(std::span(numbers)));
  return control;
}

}  // namespace

bool names_descriptors(std::span<const std::byte> captured) {
  const auto found = pieces(captured);
  return found && std::any_of(found->begin(), found->end(), [](const Piece& piece) {
           return piece.level == SOL_SOCKET && piece.type == SCM_RIGHTS;
         });
}

Result<Control> control_for(Call& call, const Socket& socket, std::span<const std::byte> captured) {
  const std::vector<Piece> found = TRY(pieces(captured));
  if (socket.domain == AF_UNIX) return for_unix(call, found);
  if (socket.domain == AF_INET || socket.domain == AF_INET6) return for_packets(found);
  if (!found.empty()) return fail(EINVAL, "control message");
  return Control{};
}

}  // namespace tidewaiter::supervisor
