#include "supervisor/operations/connect.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "oci/policy/address.h"
#include "supervisor/operations/socket.h"
#include "supervisor/operations/unix_socket.h"

namespace tidewaiter::supervisor {
namespace {

// Of the families that network rules cannot name, those whose sockets stay within the machine's kernel and
// are harmless with this very address. The C library asks rtnetlink about interfaces in every getaddrinfo(3).
bool always_allowed(const Socket& socket, std::span<const std::byte> address) {
  // Other processes' ports and multicast groups need capabilities that are ours, not the target's.
  return socket.domain == AF_NETLINK && is_netlink_kernel(address);
}

// What a connect came to that had been made already, perhaps.
Answer as_if_once(const Call& call, int socket, std::span<const std::byte> address, const Answer& second) {
  if (!second.fails_with(EISCONN)) return second;
  const auto peer = call.kernel.peer_address(socket);
  // A peer that has reset the connection since is none any more; the connect had succeeded all the same.
  if (!peer) return peer.error().code == ENOTCONN ? Answer::result(0) : second;
  return is_address(*peer, address) ? Answer::result(0) : second;
}

// Within a network namespace a connection is made before connect(2) returns, unless the listener has no room.
bool is_loopback(const policy::IpAddress& address) {
  if (address.family == policy::IpAddress::Family::kIpv4) return address.bytes[0] == IN_LOOPBACKNET;
  return std::equal(address.bytes.begin(), address.bytes.end(), std::begin(in6addr_loopback.s6_addr));
}

Waiting::Expected expected_of(const std::optional<policy::Endpoint>& destination) {
  return destination && is_loopback(policy::as_destination(destination->address))
             ? Waiting::Expected::kReturns
             : Waiting::Expected::kBlocks;
}

// `performed`: the call as the target made it. `goes_on`: a signal interrupted the same call before.
void perform(Call& call, const Socket& socket, const PerformedCall& performed,
             std::span<const std::byte> address, bool goes_on, Outcome& outcome) {
  // Whatever its flags say: O_NONBLOCK belongs to the target as well, which can clear it under our hands.
  const bool may_block = socket.type == SOCK_STREAM;
  if (may_block && !call.waiting.begin(call.notification, expected_of(outcome.endpoint))) {
    // As connect(2) says of a machine that has no room for one more connection.
    outcome.answer = Answer::refuse(EAGAIN);
    return;
  }
  outcome.attempted = true;
  const int fd = socket.fd.get();
  // By an earlier worker.
  const bool begun = call.slot.begun(performed.socket_cookie, performed.address);
  if (outcome.logged()) call.slot.owe_event();
  call.slot.begin(performed.socket_cookie, performed.address);
  if (goes_on) call.repeats.forget(performed);
  const Status connected = call.kernel.connect(fd, address);
  outcome.answer = connected ? Answer::result(0) : Answer::refuse(connected.error().code);
  if (begun || goes_on) outcome.answer = as_if_once(call, fd, address, outcome.answer);
  if (begun && outcome.answer.fails_with(EALREADY)) outcome.answer = Answer::refuse(EINPROGRESS);
}

}  // namespace

Outcome connect(Call& call) {
  const auto socket = open_socket(call, static_cast<int>(call.argument(0)));
  if (!socket) return Outcome::failed(socket.error().code);
  const auto address = capture_address(call, TargetAddress{call.argument(1)}, call.argument(2));
  if (!address) return Outcome::failed(address.error().code);
  if (!call.notification.still_stands()) return Outcome::failed(EINTR);
  if (socket->domain == AF_UNIX && family(*address) != AF_UNSPEC)
    return connect_unix(call, *socket, *address);

  Outcome outcome;
  const auto transport = socket->transport();
  if (family(*address) == AF_UNSPEC && (transport || socket->domain == AF_UNIX)) {
    // Dissolves an association (connect(2)): it leads nowhere, so there is nothing to refuse.
    outcome.decision = call.supervision.unnamed_family(true);
  } else if (!transport) {
    outcome.decision = call.supervision.unnamed_family(always_allowed(*socket, *address));
  } else {
    const auto destination = parse_endpoint(*transport, *address);
    if (!destination) return Outcome::failed(destination.error().code);
    outcome.endpoint = *destination;
    outcome.decision = call.supervision.decide_connect(*destination);
  }
  if (const auto settled = call.supervision.settled(*outcome.decision)) {
    outcome.answer = *settled;
    return outcome;
  }

  PerformedCall performed{.tid = call.target.tid(),
                          .number = call.notification.call().nr,
                          .socket_cookie = call.kernel.socket_cookie(socket->fd.get()).value_or(0),
                          .address = *address};
  // An interrupted connect goes on by itself (connect(2)), and is asked again how it does.
  const auto lost = lost_answer(call, performed);
  const bool goes_on = lost && lost->fails_with(EINTR);
  if (lost && !goes_on) {
    outcome.answer = *lost;
    outcome.repeated = true;
    outcome.performed = std::move(performed);
    return outcome;
  }
  if (const auto before = call.slot.recorded()) {
    outcome.attempted = true;
    outcome.answer = *before;
  } else {
    perform(call, *socket, performed, where_decided(*address, outcome.endpoint), goes_on, outcome);
  }
  const bool interrupted = outcome.answer.fails_with(EINTR);
  outcome.repeated = goes_on && interrupted;
  // Asked a second time, a connection under way would answer EALREADY.
  if (outcome.answer.kind == Answer::Kind::kValue || outcome.answer.fails_with(EINPROGRESS) || interrupted) {
    outcome.performed = std::move(performed);
  }
  return outcome;
}

}  // namespace tidewaiter::supervisor
