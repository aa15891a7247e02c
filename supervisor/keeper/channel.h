#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// All that the agent's processes say to each other: words and what goes with them here, requests and orders
// to the tracing process (tracing.cc, remote_stand_in.cc), the slots' layout. It changes with each of them. A
// worker of another version than its keeper's goes on only where both speak the same.
inline constexpr std::uint32_t kProtocol = 10;

// What keeper and worker say to each other. Each message is of a kind, has up to two numbers, may carry
// descriptors, and some a text.
enum class Word : std::uint32_t {
  // --- keeper to worker ---
  kBegin,       // first of all, `index` kProtocol. Text: the state folder. `size`: the keeper's pid.
                // Descriptors: slots, names (KeptNames), then those that `Begin` names
  kSession,     // one that an earlier worker has begun: `number`. Descriptor: to be notified by
  kConnection,  // a runtime's, `number`. Descriptor: the file its bytes are in
  kBytes,   // `size` bytes of connection `number` are in the file by now. Descriptors: that came with them
  kClosed,  // the runtime will say nothing more on connection `number`; or it said too much (`size` 1)
  kGo,      // all there was has been told
  kEnd,     // there is nothing left: the worker is to clean up
  kReload,  // the policy file may have changed: whether it is to be taken (reload.h)
  kDrain,   // another worker is ready to take its place: it ends when what it serves has come to its end, and
            // leaves what comes meanwhile to the other one. Nothing is said to it after that
  // --- node to a worker that serves several containers (node/shared_worker.h), and back ---
  kServe,        // container `number`, `index` kProtocol. Descriptor: the channel to its keeper
  kServedToEnd,  // container `number`: nobody serves it any more
  // --- worker to keeper ---
  kReady,         // it can serve. `size`: Record::restart_seconds
  kServing,       // it does, after kGo
  kFailed,        // it cannot, for the reason in the text
  kSessionBegun,  // connection `number` has brought a session, which is called `size`; its descriptor is the
                  // one at `index`
  kConnectionDone,  // connection `number` is no longer needed
  kSessionEnded,    // session `number`; `size` 1: somebody may be left to notify
  kRestored,        // the bundle is back as it was (`size` 1), or was tried to; its lock is no longer needed
  kLock,            // the state folder got a new lock. Descriptor: it, held
  kListener,        // the state folder got a new socket. Descriptor: it, listening
  kDeadline,        // the container is to be stopped in time. Descriptors: Begin::kDeadline's
  kStopping,        // it has been asked to end
  kMoved,           // both processes have left their caller's cgroup
  kReloaded,        // after kReload; `size` 1: the next worker finds another policy in the record
  kFinished,        // nothing is left to serve, as far as the worker can tell
  kDone,            // the worker has cleaned up and ends
};

struct Message {
  Word word{};
  std::uint32_t index = 0;
  std::uint64_t number = 0;
  std::uint64_t size = 0;
  std::string text = {};
  std::vector<UniqueFd> fds = {};
};

// What kBegin says in `number`, as bits. The descriptors follow those of the slots and of the host names in
// this order.
struct Begin {
  static constexpr std::uint64_t kCreator = 1;    // a pidfd of the process that becomes the runtime
  static constexpr std::uint64_t kBundle = 2;     // the lock of the bundle
  static constexpr std::uint64_t kGrace = 4;      // a timerfd: how long to wait for a runtime without a pidfd
  static constexpr std::uint64_t kRestored = 8;   // the bundle is back as it was
  static constexpr std::uint64_t kCame = 16;      // a runtime has come
  static constexpr std::uint64_t kOutlives = 32;  // the container may outlive the sessions
  static constexpr std::uint64_t kMoved = 64;     // out of the caller's cgroup
  static constexpr std::uint64_t kEnding = 128;   // an earlier worker has begun to clean up
  static constexpr std::uint64_t kTracer = 256;   // two sockets: RemoteTracer's
  static constexpr std::uint64_t kDeadline = 1024;  // a timerfd: when to stop it, and when to kill it; and a
                                                    // pidfd of its first process
  static constexpr std::uint64_t kStopping = 2048;  // it has been asked to end
  static constexpr std::uint64_t kShared = 512;     // the worker serves other containers as well
};

// One end of a SOCK_SEQPACKET pair.
class Channel {
 public:
  explicit Channel(UniqueFd socket) : socket_(std::move(socket)) {}
  struct Pair;
  static Result<Pair> make();

  [[nodiscard]] int fd() const { return socket_.get(); }

  // EAGAIN: the other end has not yet read what was sent, and the socket does not block. Descriptors are
  // borrowed.
  Status send(Word word, std::uint64_t number = 0, std::uint64_t size = 0, std::span<const int> fds = {},
              std::string_view text = {}, std::uint32_t index = 0) const;
  // nullopt: there is nothing, and the socket does not block. ECONNRESET: the other end is closed.
  Result<std::optional<Message>> receive() const;

  static constexpr std::size_t kMostText = 8192;

 private:
  UniqueFd socket_;
};

struct Channel::Pair {
  Channel keeper;  // does not block
  Channel worker;
};

}  // namespace tidewaiter::supervisor
