#include "supervisor/operations/bind.h"

#include <linux/capability.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "supervisor/operations/socket.h"
#include "supervisor/operations/unix_socket.h"

namespace tidewaiter::supervisor {
namespace {

// Of the families that network.bind cannot name, the addresses that need nothing of the binder: a netlink
// port of its own choice without multicast groups.
bool always_allowed(const Socket& socket, std::span<const std::byte> address) {
  if (family(address) != socket.domain) return false;
  if (socket.domain != AF_NETLINK || address.size() != sizeof(struct sockaddr_nl)) return false;
  struct sockaddr_nl netlink {};
  std::memcpy(&netlink, address.data(), sizeof netlink);
  return netlink.nl_groups == 0;
}

// Low ports need CAP_NET_BIND_SERVICE in the user namespace that owns the network (ip(7)). The
// agent may have it where the target has not; any doubt means it has not. What /proc said counts only if the
// target still waited afterwards.
bool may_bind_privileged(const Call& call, int socket) {
  return call.target.has_capability(CAP_NET_BIND_SERVICE).value_or(false) &&
         call.kernel.owns_network(call.target.tid(), socket).value_or(false) &&
         call.notification.still_stands();
}

// `perhaps_made`: an earlier worker may have come so far, with this call or before a signal interrupted it.
Answer perform(Call& call, const Socket& socket, const PerformedCall& performed, std::uint16_t port,
               bool perhaps_made) {
  const int fd = socket.fd.get();
  const std::span<const std::byte> address = performed.address;
  const bool begun = perhaps_made || call.slot.begun(performed.socket_cookie, address);
  call.slot.begin(performed.socket_cookie, address);
  if (perhaps_made) call.repeats.forget(performed);
  // Where privileged ports end is the network namespace's affair (net.ipv4.ip_unprivileged_port_start), so
  // the kernel is asked without the capability first.
  Status bound = port == 0 ? call.kernel.bind(fd, address) : call.kernel.bind_unprivileged(fd, address, port);
  if (!bound && bound.error().code == EACCES && port != 0 && may_bind_privileged(call, fd)) {
    bound = call.kernel.bind(fd, address);
  }
  if (begun && !bound && bound.error().code == EINVAL) {
    const auto own = call.kernel.own_address(fd);
    if (own && is_address(*own, address)) return Answer::result(0);
  }
  return bound ? Answer::result(0) : Answer::refuse(bound.error().code);
}

}  // namespace

Outcome bind(Call& call) {
  const auto socket = open_socket(call, static_cast<int>(call.argument(0)));
  if (!socket) return Outcome::failed(socket.error().code);
  const auto address = capture_address(call, TargetAddress{call.argument(1)}, call.argument(2));
  if (!address) return Outcome::failed(address.error().code);
  if (!call.notification.still_stands()) return Outcome::failed(EINTR);
  if (socket->domain == AF_UNIX) return bind_unix(call, *socket, *address);

  Outcome outcome;
  std::uint16_t port = 0;
  const auto transport = socket->transport();
  // What a ping socket is bound to is no port but an ICMP identifier, which rules cannot name.
  if (!transport || transport == policy::Transport::kIcmp) {
    outcome.decision = call.supervision.unnamed_family(always_allowed(*socket, *address));
  } else {
    auto local = parse_endpoint(*transport, *address);
    if (!local && family(*address) == AF_UNSPEC && address->size() >= sizeof(struct sockaddr_in)) {
      // Old programs bind IPv4 with AF_UNSPEC and INADDR_ANY, and the kernel lets them (__inet_bind,
      // net/ipv4/af_inet.c): read it as it will.
      std::vector<std::byte> as_ipv4 = *address;
      const sa_family_t ipv4 = AF_INET;
      std::memcpy(as_ipv4.data(), &ipv4, sizeof ipv4);
      local = parse_endpoint(*transport, as_ipv4);
    }
    if (!local) return Outcome::failed(local.error().code);
    port = local->port;
    outcome.endpoint = *local;
    outcome.decision = call.supervision.decide_bind(*local);
  }
  if (const auto settled = call.supervision.settled(*outcome.decision)) {
    outcome.answer = *settled;
    return outcome;
  }

  PerformedCall performed{.tid = call.target.tid(),
                          .number = call.notification.call().nr,
                          .socket_cookie = call.kernel.socket_cookie(socket->fd.get()).value_or(0),
                          .address = *address};
  const auto lost = lost_answer(call, performed);
  // So Session::remember_lost() says that nobody knows; of itself it never fails so.
  const bool perhaps_made = lost && lost->fails_with(EINTR);
  if (lost && !perhaps_made) {
    outcome.answer = *lost;
    outcome.repeated = true;
    outcome.performed = std::move(performed);
    return outcome;
  }
  const auto before = call.slot.recorded();
  if (outcome.logged()) call.slot.owe_event();
  outcome.answer = before ? *before : perform(call, *socket, performed, port, perhaps_made);
  if (outcome.answer.kind == Answer::Kind::kValue) outcome.performed = std::move(performed);
  return outcome;
}

}  // namespace tidewaiter::supervisor
