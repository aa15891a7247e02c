#include "supervisor/operations/send.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string_view>

#include "supervisor/operations/control.h"
#include "supervisor/operations/message.h"
#include "supervisor/operations/socket.h"
#include "supervisor/operations/unix_socket.h"

namespace tidewaiter::supervisor {
namespace {

// The flags that mean something to a send. Others the kernel ignores (send(2)) or keeps to itself; those that
// are not here would make it act on the agent's memory (MSG_ZEROCOPY) or connect (MSG_FASTOPEN).
constexpr int kPassedOn =
    MSG_OOB | MSG_DONTROUTE | MSG_EOR | MSG_CONFIRM | MSG_MORE | MSG_PROXY | MSG_NOSIGNAL;

// Of a stream, what is captured and sent at a time.
constexpr std::size_t kPiece = 128U << 10U;

// What a UDP datagram can be at most; and one of another kind, whose bound is the socket's SO_SNDBUF, which
// seldom reaches this.
constexpr std::uint64_t kMostUdp = 0xffff;
constexpr std::uint64_t kMostDatagram = 512U << 10U;

// Copies of a target's descriptors that a send may keep while it waits: the agent's own number is limited.
constexpr std::size_t kMostDescriptorsWaiting = 16;

// One message on its way.
struct Outgoing {
  Outgoing(const Call& call, const CapturedMessage& message, int send_flags)
      : captured(message), flags(send_flags | (message.flags & MSG_EOR)), payload(call, message) {}

  const CapturedMessage& captured;
  int flags;                     // as the target gave them
  PayloadReader payload;         // what is not yet in `piece`
  std::vector<std::byte> piece;  // the next bytes to be sent
  std::vector<std::byte> name;   // the address that was decided on; empty: none
  Control control;
  std::uint32_t number = 0;  // of the call's messages
  std::uint64_t sent = 0;    // bytes
};

// --- where it goes ----------------------------------------------------------------------------------

// Whether a request asks rtnetlink and changes nothing (netlink_rcv_skb, rtnetlink_rcv_msg). Anything else
// would be done with the agent's capabilities, and with its process numbers and descriptors where the request
// has some.
bool only_asks(std::span<const std::byte> request) {
  while (request.size() >= sizeof(struct nlmsghdr)) {
    struct nlmsghdr header {};
    std::memcpy(&header, request.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > request.size()) return true;  // not looked at
    constexpr unsigned kGet = 2;                                                             // RTNL_KIND_GET
    if (header.nlmsg_type >= NLMSG_MIN_TYPE && ((header.nlmsg_type - RTM_BASE) & 3U) != kGet) return false;
    // It names a namespace by a process number or a descriptor.
    if (header.nlmsg_type == RTM_GETNSID) return false;
    request = request.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), request.size()));
  }
  return true;
}

// The address of a UDP datagram as udp_sendmsg and udpv6_sendmsg read it. AF_UNSPEC is IPv4 to the one, and
// no address to the other.
Result<std::optional<std::vector<std::byte>>> udp_name(const Socket& socket,
                                                       const std::vector<std::byte>& name) {
  std::vector<std::byte> read = name;
  if (socket.domain == AF_INET6) {
    if (name.size() < sizeof(sa_family_t)) return fail(EINVAL, "address too short");
    if (family(name) == AF_UNSPEC) return std::nullopt;
    if (family(name) != AF_INET && family(name) != AF_INET6) return fail(EINVAL, "address family");
    return read;
  }
  if (name.size() < sizeof(struct sockaddr_in)) return fail(EINVAL, "address too short");
  if (family(name) != AF_INET && family(name) != AF_UNSPEC) return fail(EAFNOSUPPORT, "address family");
  const sa_family_t ipv4 = AF_INET;
  std::memcpy(read.data(), &ipv4, sizeof ipv4);
  return read;
}

// Decides on a message over IPv4 or IPv6, and sets its name.
Status decide_packets(const Call& call, const Socket& socket, Outgoing& message, Outcome& outcome) {
  const auto& name = message.captured.name;
  const auto transport = socket.transport();
  if (transport == policy::Transport::kTcp) {
    // An address says nothing to a connected stream, unless it is to connect it (MSG_FASTOPEN).
    outcome.decision = call.supervision.unnamed_family((message.flags & MSG_FASTOPEN) == 0);
    outcome.decision->errno_value = EOPNOTSUPP;
    return {};
  }
  std::optional<std::vector<std::byte>> read;
  if (transport && name) read = TRY(udp_name(socket, *name));
  if (!read) {
    outcome.decision = call.supervision.unnamed_family(transport || !name);
    return {};
  }
  outcome.endpoint = TRY(parse_endpoint(*transport, *read));
  outcome.decision = call.supervision.decide_connect(*outcome.endpoint);
  message.name = where_decided(std::move(*read), outcome.endpoint);
  return {};
}

// Sets the decision, and the name that was decided on.
Status decide(const Call& call, const Socket& socket, Outgoing& message, Outcome& outcome) {
  const auto& name = message.captured.name;
  switch (socket.domain) {
    case AF_INET:
    case AF_INET6:
      return decide_packets(call, socket, message, outcome);
    case AF_UNIX:
      // Only datagrams go where an address says, and those by send_unix(); a stream fails.
      outcome.decision = call.supervision.unnamed_family(socket.type != SOCK_DGRAM || !name);
      break;
    case AF_NETLINK:
      outcome.decision =
          call.supervision.unnamed_family(socket.protocol == NETLINK_ROUTE &&
                                          (!name || is_netlink_kernel(*name)) && only_asks(message.piece));
      break;
    default:
      outcome.decision = call.supervision.unnamed_family(false);
      break;
  }
  message.name = name.value_or(std::vector<std::byte>{});
  return {};
}

// --- preparing --------------------------------------------------------------------------------------

Status capture_piece(const Socket& socket, Outgoing& message) {
  const std::uint64_t most = socket.transport() == policy::Transport::kUdp ? kMostUdp : kMostDatagram;
  if (socket.type != SOCK_STREAM && message.payload.left() > most) return fail(EMSGSIZE, "message size");
  message.piece = TRY(message.payload.next(socket.type == SOCK_STREAM ? kPiece : kMostDatagram));
  return {};
}

// Captures what is still the target's and decides. True: it is to be sent; else the outcome has its answer.
bool prepare(Call& call, const Socket& socket, Outgoing& message, Outcome& outcome) {
  outcome.size = message.captured.size;
  const auto failed = [&outcome](int code) {
    outcome.answer = Answer::refuse(code);
    return false;
  };
  if (const Status captured = capture_piece(socket, message); !captured) {
    return failed(captured.error().code);
  }
  auto control = control_for(call, socket, message.captured.control);
  if (!call.notification.still_stands()) return failed(EINTR);
  if (const Status decided = decide(call, socket, message, outcome); !decided) {
    return failed(decided.error().code);
  }
  if (!control && control.error().code == EPERM && outcome.decision->verdict == policy::Verdict::kAllow) {
    outcome.decision = call.supervision.unnamed_family(false);
    outcome.decision->errno_value = EPERM;
  }
  if (const auto settled = call.supervision.settled(*outcome.decision)) {
    outcome.answer = *settled;
    return false;
  }
  if (!control) {
    outcome.decision.reset();
    return failed(control.error().code);
  }
  message.control = std::move(*control);
  return true;
}

// Tells this call from any other a thread makes on the socket. A digest is enough: a target that makes two
// calls look alike deceives itself.
PerformedCall identity(const Call& call, const Socket& socket, const Outgoing& message, std::uint64_t count) {
  const auto digest = [](std::span<const std::byte> bytes) -> std::uint64_t {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  const std::array<std::uint64_t, 6> parts = {
      static_cast<std::uint64_t>(message.flags), message.captured.size,           count, digest(message.name),
      digest(message.captured.control),          digest(std::span(message.piece))};
  const auto bytes = std::as_bytes(std::span(parts));
  return {.tid = call.target.tid(),
          .number = call.notification.call().nr,
          .socket_cookie = call.kernel.socket_cookie(socket.fd.get()).value_or(0),
          .address = {bytes.begin(), bytes.end()},
          .of_thread_alone = true};
}

// --- sending ----------------------------------------------------------------------------------------

// Whether a call of the target's waits, or may, and what an earlier worker has sent of it. One for all
// messages of a call.
struct Patience {
  bool waits = false;
  Slot::Sent before{};

  // Before what may take its time. False: it must not.
  bool begin(Call& call) {
    if (!waits) waits = call.waiting.begin(call.notification);
    return waits;
  }
};

struct Sent {
  std::uint64_t bytes = 0;
  int error = 0;  // 0: none, or none to be told since some bytes were sent
};

// What to do when a socket has no room: true is to wait for some.
bool may_wait(Call& call, const Socket& socket, const Outgoing& message, Patience& patience, int& error) {
  if ((message.flags & MSG_DONTWAIT) != 0 || call.kernel.nonblocking(socket.fd.get()).value_or(true)) {
    return false;
  }
  if (message.control.descriptors.size() > kMostDescriptorsWaiting) {
    error = ETOOMANYREFS;
    return false;
  }
  return patience.begin(call);
}

// Sends `piece` as far as it goes: all of a datagram, of a stream what there is room for, or all where the
// socket blocks.
Sent send_piece(Call& call, const Socket& socket, Outgoing& message, Patience& patience) {
  const bool last = message.payload.left() == 0;
  int flags = (message.flags & kPassedOn) | MSG_NOSIGNAL;
  // Only the last byte is urgent, and only the last segment is to be pushed.
  if (!last) flags = (flags & ~MSG_OOB) | (socket.domain == AF_UNIX ? 0 : MSG_MORE);
  Sent sent;
  bool blocks = false;
  for (;;) {
    const auto rest = std::span<const std::byte>(message.piece).subspan(sent.bytes);
    auto& note = call.slot.next_send(message.number, message.sent);
    const auto count = call.kernel.send(socket.fd.get(), {message.name, message.control.bytes, rest, &note},
                                        flags | (blocks ? 0 : MSG_DONTWAIT));
    if (!count) {
      sent.error = count.error().code;
      if (sent.error != EAGAIN || blocks || !may_wait(call, socket, message, patience, sent.error)) {
        return sent;
      }
      blocks = true;
      continue;
    }
    sent.bytes += *count;
    message.sent += *count;
    message.control.bytes = message.control.without_descriptors;
    sent.error = 0;
    // A send that blocks is cut short by what ends it.
    if (sent.bytes >= message.piece.size() || socket.type != SOCK_STREAM || blocks) return sent;
  }
}

// Leaves out what an earlier worker has sent. False: there is nothing left to send, or it cannot be read.
bool skip(const Socket& socket, Outgoing& message, std::uint64_t bytes) {
  message.control.bytes = message.control.without_descriptors;
  message.sent = bytes;
  while (bytes >= message.piece.size()) {
    bytes -= message.piece.size();
    if (message.payload.left() == 0 || !capture_piece(socket, message)) return false;
  }
  message.piece.erase(message.piece.begin(), message.piece.begin() + static_cast<std::ptrdiff_t>(bytes));
  return true;
}

Sent send_all(Call& call, const Socket& socket, Outgoing& message, Patience& patience) {
  Sent all;
  const Slot::Sent& before = patience.before;
  if (message.number < before.messages) {
    all.bytes = message.captured.size;
    return all;
  }
  if (message.number == before.messages && (before.noted || before.bytes != 0)) {
    all.bytes = before.bytes;
    if (socket.type != SOCK_STREAM || !skip(socket, message, before.bytes)) return all;
    if (!call.notification.still_stands()) return all;
  }
  for (;;) {
    const Sent sent = send_piece(call, socket, message, patience);
    all.bytes += sent.bytes;
    if (all.bytes == 0) all.error = sent.error;
    if (sent.error != 0 || sent.bytes < message.piece.size() || message.payload.left() == 0) return all;
    // Much takes its time. What is read next is the target's only while it still waits.
    if (!patience.begin(call) || !capture_piece(socket, message) || !call.notification.still_stands()) {
      return all;
    }
  }
}

// A message that takes no more of the kernel's memory than the socket itself does, of which the container
// pays for a pair more than 4 KiB.
constexpr std::uint64_t kSmallMessage = 2048;

// Whether the message must not be sent by the agent, although nobody would tell it from the target by it.
// What lies in a Unix socket's buffers is charged to the cgroup of whoever put it there (unix_create1 in
// net/unix/af_unix.c: GFP_KERNEL_ACCOUNT), and descriptors on their way to its user, or to nobody where it
// has CAP_SYS_ADMIN (too_many_unix_fds()): of the agent's, nothing of the container's would bound either.
// A stand-in takes ten times as long, so a small message is the agent's where the last one has been read:
// there is one of them for each socket at most. Where there are no stand-ins all are (docs/threat-model.md).
bool is_the_senders_burden(Call& call, const Socket& socket, const CapturedMessage& captured) {
  if (socket.domain != AF_UNIX || !call.kernel.inject().available()) return false;
  if (names_descriptors(captured.control)) return true;
  if (!call.supervision.bounds_memory()) return false;
  return captured.size > kSmallMessage || call.kernel.unread(socket.fd.get()).value_or(1) != 0;
}

// Sends one message: the answer is the number of its bytes. `performed` tells the call from others, and is
// asked whether it was performed before; nullptr when that is settled.
Outcome send_one(Call& call, const Socket& socket, const CapturedMessage& captured, int flags,
                 Patience& patience, PerformedCall* performed, std::uint64_t count,
                 std::uint64_t number = 0) {
  if (socket.domain == AF_UNIX && ((captured.name && socket.type == SOCK_DGRAM) || call.stand_in ||
                                   is_the_senders_burden(call, socket, captured))) {
    return send_unix(call, socket, captured, flags);
  }
  Outcome outcome;
  Outgoing message(call, captured, flags);
  message.number = static_cast<std::uint32_t>(number);
  if (!prepare(call, socket, message, outcome)) return outcome;
  if (performed != nullptr) {
    *performed = identity(call, socket, message, count);
    if (const auto lost = lost_answer(call, *performed)) {
      outcome.answer = *lost;
      outcome.repeated = true;
      return outcome;
    }
    if (const auto before = call.slot.recorded()) {
      outcome.attempted = true;
      outcome.answer = *before;
      outcome.broken_pipe = breaks_pipe(socket, flags, *before);
      return outcome;
    }
    if (call.slot.begun(performed->socket_cookie, performed->address)) patience.before = call.slot.sent();
    call.slot.begin(performed->socket_cookie, performed->address);
  }
  outcome.attempted = true;
  if (outcome.logged()) call.slot.owe_event();
  const Sent sent = send_all(call, socket, message, patience);
  // Nobody names another process as the sender without CAP_SYS_ADMIN over its pid namespace (scm_check_creds,
  // net/core/scm.c), which a rootless agent has not.
  if (sent.error == EPERM && socket.domain == AF_UNIX) return send_unix(call, socket, captured, flags);
  if (sent.error != 0) {
    outcome.answer = Answer::refuse(sent.error);
    outcome.broken_pipe = breaks_pipe(socket, flags, outcome.answer);
    return outcome;
  }
  outcome.size = sent.bytes;
  outcome.answer = Answer::result(static_cast<std::int64_t>(sent.bytes));
  return outcome;
}

// --- sendmmsg ---------------------------------------------------------------------------------------

// UIO_MAXIOV: more messages than this are left out (__sys_sendmmsg, net/socket.c).
constexpr std::uint64_t kMostMessages = 1024;

TargetAddress header_at(const Call& call, std::uint64_t index) {
  return TargetAddress{call.argument(1) + index * sizeof(struct mmsghdr)};
}

Status tell_length(const Call& call, std::uint64_t index, std::uint32_t length) {
  if (!call.still_stands()) return fail(EINTR, "msg_len");
  const TargetAddress at{static_cast<std::uint64_t>(header_at(call, index)) +
                         offsetof(struct mmsghdr, msg_len)};
  return call.target.write(at, std::as_bytes(std::span(&length, 1)));
}

bool refused(const Outcome& outcome) {
  return outcome.decision && outcome.decision->verdict != policy::Verdict::kAllow;
}

// What the call as a whole reports: the message that was refused, else the first.
void report(Outcome& whole, const Outcome& one, bool first) {
  if (!first && !refused(one)) return;
  whole.decision = one.decision;
  whole.endpoint = one.endpoint;
  whole.unix_name = one.unix_name;
  whole.reason = one.reason;
}

// In audit mode the kernel sends them all: each is decided, for the report.
bool let_run(const Outcome& outcome) { return outcome.answer.kind == Answer::Kind::kLetRun; }

Outcome send_many(Call& call, const Socket& socket) {
  Outcome whole;
  whole.answer = Answer::result(0);
  whole.decision = call.supervision.unnamed_family(true);
  if (const Status opened = call.target.open_memory(); !opened) return Outcome::failed(opened.error().code);
  const std::uint64_t count =
      std::min<std::uint64_t>(static_cast<std::uint32_t>(call.argument(2)), kMostMessages);
  const int flags = static_cast<int>(call.argument(3));
  PerformedCall performed;
  bool any_sent = false;
  std::uint64_t size = 0;
  Patience patience;
  for (std::uint64_t index = 0; index < count; ++index) {
    const bool first = index == 0;
    call.message = static_cast<long>(index) + 1;
    const auto captured = capture_message(call, header_at(call, index));
    Outcome one = captured ? send_one(call, socket, *captured, flags, patience, first ? &performed : nullptr,
                                      count, index)
                           : Outcome::failed(captured.error().code);
    if (!refused(whole)) report(whole, one, first);
    whole.attempted = whole.attempted || one.attempted;
    if (one.repeated && call.stand_in) {
      // A signal: natively what was sent before it counts, or else nothing was.
      if (index == 0) {
        whole.answer = one.answer;
        whole.repeated = true;
      }
      break;
    }
    if (one.repeated) {
      whole.answer = one.answer;
      whole.repeated = true;
      // It may not have been told of the last one (below).
      any_sent = one.answer.kind == Answer::Kind::kValue && one.answer.value > 0;
      if (any_sent && performed.last_length != PerformedCall::kToldLength) {
        (void)tell_length(call, static_cast<std::uint64_t>(one.answer.value) - 1, performed.last_length);
      }
      break;
    }
    if (first && call.slot.recorded()) {
      // What was told of the messages then stands in the target's memory.
      whole.answer = one.answer;
      whole.broken_pipe = one.broken_pipe;
      break;
    }
    if (let_run(one)) {
      whole.answer = one.answer;
      continue;
    }
    bool left = false;
    if (one.answer.kind == Answer::Kind::kValue) {
      size += *one.size;
      any_sent = true;
      performed.last_length = static_cast<std::uint32_t>(*one.size);
      const Status told = tell_length(call, index, performed.last_length);
      // A signal took the target out: it is told when the call comes again, and has the rest to send then.
      left = !told && told.error().code == EINTR;
      // The bytes are gone all the same; only the count does not include them, as natively.
      if (!told && !left) one.answer = Answer::refuse(told.error().code);
    }
    if (one.answer.kind != Answer::Kind::kValue) {
      if (index == 0) {
        whole.answer = one.answer;
        whole.broken_pipe = one.broken_pipe;
        whole.size = one.size;
      }
      break;
    }
    whole.answer = Answer::result(static_cast<std::int64_t>(index + 1));
    whole.size = size;
    if (left || *one.size < captured->size) break;  // a stream that has no room for more
  }
  if (any_sent) whole.performed = std::move(performed);
  return whole;
}

}  // namespace

Outcome send(Call& call) {
  const auto socket = open_socket(call, static_cast<int>(call.argument(0)));
  if (!socket) return Outcome::failed(socket.error().code);
  const int number = call.notification.call().nr;
  if (number == SYS_sendmmsg) return send_many(call, *socket);

  const bool plain = number == SYS_sendto;
  auto captured =
      plain ? capture_plain_message(call) : capture_message(call, TargetAddress{call.argument(1)});
  if (!captured) return Outcome::failed(captured.error().code);
  captured->flags = 0;  // sendmsg(2) ignores msg_flags; sendmmsg(2) takes MSG_EOR from it
  PerformedCall performed;
  Patience patience;
  Outcome outcome = send_one(call, *socket, *captured, static_cast<int>(call.argument(plain ? 3 : 2)),
                             patience, &performed, 1);
  if (outcome.repeated || outcome.answer.kind == Answer::Kind::kValue)
    outcome.performed = std::move(performed);
  return outcome;
}

}  // namespace tidewaiter::supervisor
