#pragma once

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/seccomp/notify.h"
#include "supervisor/answer.h"
#include "supervisor/lost_answers.h"
#include "supervisor/report/event_log.h"
#include "supervisor/target/expected_calls.h"

namespace tidewaiter::supervisor {

// What outlives a worker that dies: memory that the keeper and every worker share. A receiving thread has a
// slot there. The kernel writes the notification straight into it, and the thread notes beside it how far it
// has come, so that the next worker can take up what was open.
//
// SAFETY: why nothing is lost or done twice, whichever instruction a worker dies after. Memory that is shared
// keeps every store a dead thread has made, in the order it made them (they are atomic with release order, or
// lie before such a one); and the next worker looks only when the kernel has told that no thread of the last
// one is left. So there are only these places to die at, in a thread's round:
//
//   1  reset(): `stage` becomes kIdle, then `attempts` 0. The buffer still holds the round before, whose
//      notification is answered or was given up by its target: the kernel says that it stands no more, and it
//      is left alone. Ids are never used again.
//   2  empty() makes the id 0, which none has; then receive() makes the whole buffer zero, as the kernel
//      demands, byte by byte.
//   3  NOTIF_RECV. The kernel first marks the notification as received and then copies it here; a thread that
//      is killed dies when it returns to user mode, hence after both. Should the copy fail, the kernel takes
//      the mark back, and whoever receives next gets it. Before the mark, nothing has happened.
//   4  `attempts` is counted, the call looked at and decided: nothing has an effect outside. The next worker
//      begins from the start.
//   5  begin(): what is to be performed, then `stage` = kPerforming. From here the effect may have happened,
//      and the operation has to find out, each in its way (operations/): connect and bind ask the socket. A
//      send is made by sendmmsg(2) with its header in the slot: the kernel notes there how much it has sent
//      before it returns, so that it is known exactly.
//   6  record(): the answer, then `stage` = kPerformed. It is sent again, and the call not performed again.
//      Not where a stand-in makes the call: then the tracing process sees to it that the target gets the
//      result, and a call like it that comes later is another one.
//   7  `stage` = kAnswering, then NOTIF_SEND. The notification stands still, and the answer is sent; else the
//      target has it.
//   8  Where a signal has taken the target out of the call, what it came to is kept with the session
//      (LostAnswers), for the call that the kernel makes again. That one's slot has it before it goes there.
//
// An event is written after the answer, so that nobody waits for it: see owe_event().
//
// One thing cannot be known: when a signal takes the target out of its call at the very moment of 7, whether
// the answer had reached it before. Then a connect or a bind that succeeded is recognised when the kernel
// makes the call again; a send is made again.
struct Slot {
  enum class Stage : std::uint32_t {
    kIdle,        // nothing has been performed for the notification in the buffer, if any
    kPerforming,  // `cookie` and `address` say what
    kPerformed,   // `answer` says what came of it
    kAnswering,   // the same, and the answer may have been sent
  };

  enum class Event : std::uint32_t { kNone, kOwed };

  // --- for the thread that owns it ---

  void reset();
  // Another worker begins with the notification that is in it.
  void count_attempt() {
    attempts.store(attempts.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  // Before a call that has an effect on a socket. It may be called again for the same one.
  void begin(std::uint64_t socket_cookie, std::span<const std::byte> socket_address);
  // Whether an earlier worker has called begin() for the same, and did not come to record().
  [[nodiscard]] bool begun(std::uint64_t socket_cookie, std::span<const std::byte> socket_address) const;
  // What came of it. A no-op without begin().
  void record(const Answer& made);
  // The answer that an earlier worker came to, by performing the call.
  [[nodiscard]] std::optional<Answer> recorded() const;
  void begin_answer();

  // The notification is to be told of, whatever becomes of it, or may have had an effect that is. Before its
  // answer or that effect; what is owed when the worker has died and the target no longer waits is lost.
  void owe_event() { event.store(Event::kOwed, std::memory_order_release); }
  // It has been told of, or is not to be: the event log has it, and counts what it has (EventCounts).
  void settle_event() { event.store(Event::kNone, std::memory_order_release); }
  [[nodiscard]] bool owes_event() const { return event.load(std::memory_order_acquire) == Event::kOwed; }

  // Of a send: what has gone.
  struct Sent {
    std::uint32_t messages = 0;  // wholly
    std::uint64_t bytes = 0;     // of the next one
    bool noted = false;          // the kernel has taken that, all of it or as much as it would
  };
  // REQUIRES: begin().
  [[nodiscard]] Sent sent() const;
  // What has gone so far; the header for the next sendmmsg(2), in which the kernel will note how much it
  // took.
  struct mmsghdr& next_send(std::uint32_t messages, std::uint64_t bytes);

  // --- data ---

  static constexpr std::uint32_t kNoSession = 0;
  // A send that has not taken place.
  static constexpr std::uint32_t kUnsent = ~0U;

  std::atomic<std::uint32_t> session{kNoSession};  // its number + 1
  std::atomic<Stage> stage{Stage::kIdle};
  std::atomic<std::uint32_t> attempts{0};  // workers that have begun with the notification
  std::atomic<std::uint32_t> crashes{0};   // of those, the ones that its thread took along
  std::atomic<Event> event{Event::kNone};
  std::uint64_t cookie = 0;
  std::uint32_t address_size = 0;
  std::array<std::byte, sizeof(struct sockaddr_storage)> address{};
  Answer answer{};
  // Of a send: messages and bytes that went before, and which of the headers is in use. One word, so that it
  // changes with the header, or not at all.
  std::atomic<std::uint64_t> sending{0};
  std::array<struct mmsghdr, 2> headers{};

  // What a worker's death says against the notification that it was serving. Where a thread crashes it is
  // known whose fault that was. Else anybody may have killed the worker, and only too often is suspicious.
  static constexpr std::uint32_t kMostCrashes = 2;
  static constexpr std::uint32_t kMostAttempts = 8;
  [[nodiscard]] bool suspicious() const {
    return crashes.load(std::memory_order_acquire) >= kMostCrashes ||
           attempts.load(std::memory_order_acquire) >= kMostAttempts;
  }

  // The one of the calling thread; nullptr: it does not receive.
  static thread_local Slot* own;

  Slot() = default;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
              std::atomic<Slot::Stage>::is_always_lock_free);

// The shared memory, and who of this process's threads has which slot.
class Slots {
 public:
  // Filters that may be served at once: the container's own and one for each process executed into it.
  static constexpr unsigned kSessions = 1024;
  // Threads that may receive at once, in all sessions.
  static constexpr unsigned kSlots = 8192;

  // New memory, in which nothing is open.
  static Result<std::unique_ptr<Slots>> make();
  // What `memory` holds. EPROTO: another version of this program made it.
  static Result<std::unique_ptr<Slots>> open(UniqueFd memory);
  ~Slots();
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  // Borrowed.
  [[nodiscard]] int memory() const { return memory_.get(); }

  // A slot for a thread that receives for `session`; nullptr: all are in use. Thread-safe.
  Slot* take(unsigned session);
  // REQUIRES: nothing is open in it.
  void give_back(Slot& slot);

  // Those that an earlier worker has left for `session`. Each is the caller's, as by take(). Thread-safe.
  std::vector<Slot*> take_over(unsigned session);
  // Gives back all that no session of `known` has. Before any session starts.
  void forget_others(const std::vector<unsigned>& known);

  // Which sessions have any.
  [[nodiscard]] std::set<unsigned> sessions() const;

  // Has its notification be none. For the thread that owns it, before it receives another.
  void empty(Slot& slot) const;
  // The room for the notification of a slot.
  [[nodiscard]] seccomp::NotificationBuffer notification(Slot& slot) const;

  // Of the container's event log.
  [[nodiscard]] EventCounts& event_counts() const;

  // Has this process's own log lines count there, for all of the agent's together.
  Status share_log_bound() const;

  // The stand-ins that the tracing process drives (tracing.h).
  [[nodiscard]] StandInThreads& stand_ins() const;
  // How often the keeper has refused what was asked of a tracer, for there is none (Keeper::refuse_requests).
  [[nodiscard]] std::atomic<std::uint32_t>& tracer_refusals() const;

  // Whether the calls of a session's runtime are over (Start). 0 as long as they are not.
  [[nodiscard]] std::atomic<std::uint32_t>& start_over(unsigned session);
  [[nodiscard]] LostAnswers lost_answers(unsigned session) const;
  // A new session has that number: what is kept here of an earlier one is none of its own.
  void begin(unsigned session);

 private:
  struct Header;
  // Another number wherever a version lays the memory out otherwise.
  static std::uint64_t layout();
  // Of notifications of `room` bytes.
  static std::size_t lost_answers_at(std::size_t room);
  static std::size_t whole_size(std::size_t room);
  Slots(UniqueFd memory, std::byte* mapped, std::size_t size, std::size_t room);
  [[nodiscard]] Header& header() const;
  [[nodiscard]] Slot& at(unsigned index) const;
  [[nodiscard]] unsigned index_of(const Slot& slot) const;
  [[nodiscard]] unsigned touched() const;

  UniqueFd memory_;
  std::byte* mapped_;
  std::size_t size_;
  // Not asked of the memory again, to which others write as well: the keeper looks at it, and must not be led
  // astray by a worker that has been.
  std::size_t notification_size_;  // as the kernel has it
  std::size_t slot_size_;          // with its notification
  std::mutex mutex_;
  std::vector<bool> taken_;  // by threads of this process
};

}  // namespace tidewaiter::supervisor
