#include "supervisor/operations/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "supervisor/target/lookup.h"
#include "supervisor/target/restarts.h"
#include "supervisor/target/sealed_memory.h"
#include "supervisor/target/stand_in_calls.h"

namespace tidewaiter::supervisor {
namespace {

constexpr std::size_t kName = offsetof(struct sockaddr_un, sun_path);
constexpr ino_t kProcRootInode = 1;  // PROC_ROOT_INO (fs/proc/internal.h)

// What lies where in the part of the sealed memory that a call has.
//
//   0     the address the call is made with
//   128   a path to be opened, with its NUL
//   256   struct msghdr
constexpr std::size_t kAddressAt = 0;
constexpr std::size_t kPathAt = 128;
constexpr std::size_t kHeaderAt = 256;
static_assert(sizeof(struct sockaddr_un) <= kPathAt && kPathAt + sizeof(struct sockaddr_un) <= kHeaderAt &&
              kHeaderAt + sizeof(struct msghdr) <= SealedMemory::kSlotSize);

// A Unix socket's address as unix_validate_addr and unix_mkname_bsd (net/unix/af_unix.c) read it.
struct Name {
  bool abstract = false;
  std::string text;  // the path, or the abstract name without the NUL in front
};

Result<Name> parse(std::span<const std::byte> address) {
  if (address.size() <= kName || address.size() > sizeof(struct sockaddr_un))
    return fail(EINVAL, "address length");
  if (family(address) != AF_UNIX) return fail(EINVAL, "address family");
  const std::string_view text(reinterpret_cast<const char*>(address.data()) + kName, address.size() - kName);
  if (text.front() == '\0') return Name{true, std::string(text.substr(1))};
  return Name{false, std::string(text.substr(0, text.find('\0')))};
}

// As an event tells it.
std::string told(const Name& name, std::string_view path) {
  return name.abstract ? "@" + name.text : std::string(path);
}

// Decides on a name, of which a path is canonical. True: the call is to be made.
bool decide(const Call& call, const Name& name, const std::string& path, Outcome& outcome) {
  outcome.unix_name = told(name, path);
  outcome.decision =
      call.supervision.decide_unix({name.abstract, name.abstract ? std::string_view(name.text) : path});
  const auto settled = call.supervision.settled(*outcome.decision);
  if (settled) outcome.answer = *settled;
  return !settled;
}

// The first look, while the target still waits: what is refused, or not there, takes no more than that.
bool decide_first(Call& call, const Name& name, Outcome& outcome) {
  if (name.abstract) {
    if (call.still_stands()) return decide(call, name, "", outcome);
    outcome = Outcome::failed(EINTR);
    return false;
  }
  Lookup lookup(call.kernel.files(), call.target);
  const auto found = lookup.find(AT_FDCWD, name.text);
  if (!call.still_stands()) {
    outcome = Outcome::failed(EINTR);
    return false;
  }
  if (found) return decide(call, name, found->path, outcome);
  outcome = Outcome::not_looked_up(found.error());
  // The kernel gives its own answer.
  if (call.supervision.policy().mode == policy::Mode::kAudit) outcome.answer = Answer::let_run();
  return false;
}

// What the target gets where the call cannot be made for it: the policy cannot be held otherwise.
void refuse(const Call& call, const Error& error, Outcome& outcome) {
  if (error.code == EINTR) {
    // Natively it would come again, or fail with EINTR, as the target's handler says.
    outcome.answer = Answer::result(StandInCalls::kRestart);
    outcome.repeated = true;
    return;
  }
  if (!outcome.decision) outcome.decision.emplace();
  outcome.decision->verdict = policy::Verdict::kDeny;
  outcome.decision->log = call.supervision.policy().events.denied;
  outcome.reason = "it cannot be made with arguments that nobody else can change: " + error.message();
  const bool for_want_of_room = error.code == EAGAIN || error.code == ENOMEM || error.code == ENOBUFS;
  outcome.answer = Answer::refuse(for_want_of_room ? error.code : EACCES);
}

// Starts it, unless the call has one. REQUIRES: the call waits (Waiting::begin()).
Status begin_stand_in(Call& call, const Socket& socket) {
  if (call.stand_in) return {};
  StandInRequest request;
  request.tid = call.target.tid();
  request.process = TRY(call.target.process());
  request.number = call.notification.call().nr;
  for (int i = 0; i < 6; ++i) request.arguments[static_cast<std::size_t>(i)] = call.argument(i);
  request.spares_unknown_calls = call.supervision.spares_unknown_calls();
  request.message = call.message;
  request.stands = [&notification = call.notification] { return notification.still_stands(); };
  request.stopping = [&waiting = call.waiting] { return waiting.stopping(); };
  TRY(call.tracer.start_stand_in(call.notification, request, call.stand_in));
  // The very socket that was looked at, under a number that nobody exchanges any more.
  const UniqueFd own = TRY(call.stand_in->duplicate_fd(static_cast<int>(call.argument(0))));
  if (TRY(call.kernel.socket_cookie(own.get())) != TRY(call.kernel.socket_cookie(socket.fd.get()))) {
    return fail(EBADF, "another socket has this number by now");
  }
  return {};
}

// `directory`: a descriptor of the stand-in's, for a relative path.
Result<int> open_path(StandInCalls& stand_in, int directory, std::string_view path) {
  std::vector<std::byte> bytes(path.size() + 1);
  std::memcpy(bytes.data(), path.data(), path.size());
  const std::uint64_t at = stand_in.put(kPathAt, bytes);
  return static_cast<int>(TRY(
      stand_in.call(SYS_openat, {static_cast<std::uint64_t>(directory), at, O_PATH | O_CLOEXEC, 0, 0, 0})));
}

bool sends_several(const Call& call) { return call.notification.call().nr == SYS_sendmmsg; }

// Has the stand-in's working directory be procfs's own root, from where it can name its descriptors whatever
// the target's root has there.
Status enter_proc(Call& call) {
  StandInCalls& stand_in = *call.stand_in;
  if (call.working_directory >= 0) return {};  // for an earlier message
  // The next message's path may be relative.
  const int left = sends_several(call) ? TRY(open_path(stand_in, AT_FDCWD, ".")) : -1;
  const int number =
      TRY(in_context("/proc, by which a socket is named", open_path(stand_in, AT_FDCWD, "/proc")));
  const UniqueFd directory = TRY(stand_in.open_descriptor(number));
  if (!TRY(call.kernel.files().on_procfs(directory.get())) ||
      TRY(call.kernel.files().status(directory.get())).inode != kProcRootInode) {
    return fail(EACCES, "/proc, by which a socket is named, is no procfs");
  }
  TRY(stand_in.call(SYS_fchdir, {static_cast<std::uint64_t>(number), 0, 0, 0, 0, 0}));
  // A filter of the target's own may have said so.
  const UniqueFd present = TRY(stand_in.open_working_directory());
  const FileStatus wanted = TRY(call.kernel.files().status(directory.get()));
  const FileStatus found = TRY(call.kernel.files().status(present.get()));
  if (!found.same_file(wanted) || found.mount != wanted.mount) {
    return fail(EPERM, "/proc, by which a socket is named, cannot be entered");
  }
  // Not before: whoever finds it takes it for the proof that the other has been entered.
  call.working_directory = left;
  return {};
}

// Looks the path up as the target, with what permissions it has; decides on the socket that it leads to; and
// says it by a name that stays that socket's, while the stand-in's descriptor `pinned_by` is open. Absent:
// the outcome has the answer.
std::optional<std::vector<std::byte>> pin(Call& call, const Name& name, int& pinned_by, Outcome& outcome) {
  const auto number =
      open_path(*call.stand_in, call.working_directory >= 0 ? call.working_directory : AT_FDCWD, name.text);
  if (!number) {
    if (number.error().code == EINTR) {
      refuse(call, number.error(), outcome);
    } else {
      outcome.answer = Answer::refuse(number.error().code);
    }
    return std::nullopt;
  }
  const auto socket = call.stand_in->open_descriptor(*number);
  const auto path = socket ? call.kernel.files().path(socket->get()) : tl::unexpected(socket.error());
  if (!path) {
    refuse(call, path.error(), outcome);
    return std::nullopt;
  }
  pinned_by = *number;
  if (!decide(call, name, *path, outcome)) return std::nullopt;
  if (const Status entered = enter_proc(call); !entered) {
    refuse(call, entered.error(), outcome);
    return std::nullopt;
  }
  const std::string pinned = "thread-self/fd/" + std::to_string(*number);
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  std::memcpy(static_cast<void*>(address.sun_path), pinned.data(), pinned.size());
  const auto bytes = std::as_bytes(std::span(&address, 1)).first(kName + pinned.size() + 1);
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

// The address by which the stand-in is to make the call, which it then makes with `make`.
template <typename Make>
void make_decided(Call& call, const Name& name, std::span<const std::byte> captured, Outcome& outcome,
                  const Make& make) {
  std::vector<std::byte> address(captured.begin(), captured.end());
  int pinned_by = -1;
  if (!name.abstract) {
    auto pinned = pin(call, name, pinned_by, outcome);
    if (!pinned) return;
    address = std::move(*pinned);
  }
  make(call.stand_in->put(kAddressAt, address), address.size());
  // A thousand messages have not a thousand descriptors open. Where it cannot be closed, they will not be
  // sent.
  if (sends_several(call) && pinned_by >= 0) {
    (void)call.stand_in->call(SYS_close, {static_cast<std::uint64_t>(pinned_by), 0, 0, 0, 0, 0});
  }
}

// Makes the call; its result is the target's.
void perform(Call& call, long number, const std::array<std::uint64_t, 6>& arguments, Outcome& outcome) {
  outcome.attempted = true;
  if (outcome.logged()) call.slot.owe_event();
  const auto result = call.stand_in->perform(number, arguments, call.message);
  if (!result) {
    refuse(call, result.error(), outcome);
    return;
  }
  const bool failed = -4095 <= *result && *result < 0;
  outcome.repeated = restarts(*result);
  outcome.answer =
      failed && !outcome.repeated ? Answer::refuse(static_cast<int>(-*result)) : Answer::result(*result);
}

// Takes the target out of its call. False: the outcome has the answer.
bool begin(Call& call, const Socket& socket, Outcome& outcome) {
  const Status begun = begin_stand_in(call, socket);
  if (!begun) refuse(call, begun.error(), outcome);
  return begun.has_value();
}

// Whatever the kernel does for the target may take as long as a file system, or a peer, likes.
bool may_wait(Call& call, Outcome& outcome) {
  if (call.stand_in || call.waiting.begin(call.notification)) return true;
  outcome = Outcome::failed(EAGAIN);
  return false;
}

}  // namespace

Outcome connect_unix(Call& call, const Socket& socket, std::span<const std::byte> address) {
  const auto name = parse(address);
  if (!name) return Outcome::failed(name.error().code);
  Outcome outcome;
  if (!may_wait(call, outcome) || !decide_first(call, *name, outcome) || !begin(call, socket, outcome)) {
    return outcome;
  }
  make_decided(call, *name, address, outcome, [&](std::uint64_t at, std::size_t size) {
    perform(call, SYS_connect, {call.argument(0), at, size, 0, 0, 0}, outcome);
  });
  return outcome;
}

Outcome bind_unix(Call& call, const Socket& socket, std::span<const std::byte> address) {
  Outcome outcome;
  outcome.decision = call.supervision.unnamed_family(true);
  if (const auto settled = call.supervision.settled(*outcome.decision)) {
    outcome.answer = *settled;
    return outcome;
  }
  if (!may_wait(call, outcome) || !begin(call, socket, outcome)) return outcome;
  perform(call, SYS_bind,
          {call.argument(0), call.stand_in->put(kAddressAt, address), address.size(), 0, 0, 0}, outcome);
  return outcome;
}

Outcome send_unix(Call& call, const Socket& socket, const CapturedMessage& message, int flags) {
  Outcome outcome;
  outcome.size = message.size;
  if (!may_wait(call, outcome)) return outcome;
  // Whose bytes they are makes no difference: nothing is decided on them, nor on descriptors.
  const auto make = [&](std::uint64_t name, std::size_t size) {
    if (call.notification.call().nr == SYS_sendto) {
      perform(call, SYS_sendto,
              {call.argument(0), call.argument(1), call.argument(2), call.argument(3), name, size}, outcome);
    } else {
      struct msghdr header = message.header;
      header.msg_name = std::bit_cast<void*>(name);
      header.msg_namelen = static_cast<socklen_t>(size);
      const std::uint64_t at = call.stand_in->put(kHeaderAt, std::as_bytes(std::span(&header, 1)));
      const auto kept = static_cast<std::uint64_t>(static_cast<std::uint32_t>(flags));
      perform(call, SYS_sendmsg, {call.argument(0), at, kept, 0, 0, 0}, outcome);
    }
    if (outcome.answer.kind == Answer::Kind::kValue && !outcome.repeated) {
      outcome.size = static_cast<std::uint64_t>(outcome.answer.value);
    }
    // The signal that goes with it went to the stand-in, which takes none.
    outcome.broken_pipe = breaks_pipe(socket, flags, outcome.answer);
  };
  if (!message.name) {
    outcome.decision = call.supervision.unnamed_family(true);
    if (begin(call, socket, outcome)) make(0, 0);
    return outcome;
  }
  // A stream takes no name, and says so itself (unix_stream_sendmsg); packets of a connection go where it
  // leads (unix_seqpacket_sendmsg).
  if (socket.type != SOCK_DGRAM) {
    outcome.decision = call.supervision.unnamed_family(true);
    if (begin(call, socket, outcome)) {
      make(call.stand_in->put(kAddressAt, *message.name), message.name->size());
    }
    return outcome;
  }
  const auto name = parse(*message.name);
  if (!name) return Outcome::failed(name.error().code);
  if (!decide_first(call, *name, outcome) || !begin(call, socket, outcome)) return outcome;
  make_decided(call, *name, *message.name, outcome, make);
  return outcome;
}

}  // namespace tidewaiter::supervisor
