#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "supervisor/report/event.h"

namespace tidewaiter::supervisor {

// How many events came to a log and how many of them are done with, written or counted as lost: in memory
// that outlives the process, so that the next one knows how many its death has cost.
struct EventCounts {
  std::atomic<std::uint64_t> appended{0};
  std::atomic<std::uint64_t> settled{0};
  // Settled without having been written, and the log does not say so yet.
  std::atomic<std::uint64_t> lost{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// A container's event log. Whoever answers a notification only puts its event into a queue: a target that
// waits for its next answer would else wait for the event of its last one to be formatted and written. A
// thread of the log's own does both, many events at a time where many come, at the latest kDelay after they
// came; a single one at once. It is started by an event, and ends, with the memory of the queue, when none
// has come for kLinger: most containers do nothing worth telling most of the time. Where it cannot be
// started, whoever brings an event writes it. Thread-safe.
//
// The queue is bounded. Where the file is slower than the calls, append() waits for room: a call that is held
// up is better than one that nobody hears of. It waits for at most kPatience, for a file system that hangs
// must not hold up the container for good. What finds no room by then is counted, and the count stands in the
// log behind what was queued before it.
class EventLog {
 public:
  struct Bounds {
    std::size_t events = 8192;       // in the queue
    std::size_t bytes = 16U << 20U;  // of those that are lines already; targets choose their length
    std::chrono::milliseconds patience{1'000};  // of append()
  };
  static constexpr std::chrono::milliseconds kDelay{2};
  static constexpr std::chrono::milliseconds kLinger{1'000};

  // Opens the file as EventFile does. `counts` outlives the log; nullptr: nobody goes
  // on after this process.
  static Result<EventLog> open(const std::string& directory, const std::string& name, std::uint64_t max_bytes,
                               EventCounts* counts, const Bounds& bounds);
  static Result<EventLog> open(const std::string& directory, const std::string& name, std::uint64_t max_bytes,
                               EventCounts* counts = nullptr) {
    return open(directory, name, max_bytes, counts, Bounds{});
  }
  EventLog(EventLog&& other) noexcept;
  EventLog& operator=(EventLog&&) = delete;
  ~EventLog();  // flush()

  // A name that events have, kept as long as the log.
  std::string_view keep(std::string name);
  // In the order of the calls. What the event's views name has to outlive the log.
  void append(Event event);
  // The same for an event that is a line already, with its newline.
  void append(std::string line);

  // Whether append() would wait.
  [[nodiscard]] bool full() const;

  // Returns when everything that was appended before is written, or counted as lost.
  void flush();

  // Goes on as EventFile::resume() does, and tells how many events the other process has lost: of those, it
  // may have written the last ones. Nothing was appended yet.
  Status resume();
  // So many more have been lost, by somebody else.
  void tell_lost(std::uint64_t events);

 private:
  class Queue;
  explicit EventLog(std::unique_ptr<Queue> queue);

  std::unique_ptr<Queue> queue_;
};

}  // namespace tidewaiter::supervisor
