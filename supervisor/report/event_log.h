#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "oci/base/result.h"
#include "supervisor/report/event.h"

namespace tidewaiter::supervisor {

// A container's event log. Whoever answers a notification only puts its event into a queue: a target that
// waits for its next answer would else wait for the event of its last one to be formatted and written. A
// thread of the log's own does both, many events at a time where many come, at the latest kDelay after they
// came; a single one at once. Thread-safe.
//
// The queue is bounded. Where the file is slower than the calls, append() waits for room: a call that is held
// up is better than one that nobody hears of. It waits for at most kPatience, for a file system that hangs
// must not hold up the container for good. What finds no room by then is counted, and the count stands in the
// log behind what was queued before it.
class EventLog {
 public:
  struct Bounds {
    std::size_t events = 8192;                  // in the queue
    std::chrono::milliseconds patience{1'000};  // of append()
  };
  static constexpr std::chrono::milliseconds kDelay{2};

  // Opens the file as EventFile does, and starts the thread.
  static Result<EventLog> open(const std::string& directory, const std::string& name, std::uint64_t max_bytes,
                               const Bounds& bounds);
  static Result<EventLog> open(const std::string& directory, const std::string& name,
                               std::uint64_t max_bytes) {
    return open(directory, name, max_bytes, Bounds{});
  }
  EventLog(EventLog&& other) noexcept;
  EventLog& operator=(EventLog&&) = delete;
  ~EventLog();  // flush()

  // In the order of the calls. What the event's views name has to outlive the log, or at least the next
  // flush().
  void append(Event event);
  // The same for an event that is a line already, with its newline.
  void append(std::string line);

  // Returns when everything that was appended before is written, or counted as lost.
  void flush();

 private:
  class Queue;
  explicit EventLog(std::unique_ptr<Queue> queue);

  std::unique_ptr<Queue> queue_;
};

}  // namespace tidewaiter::supervisor
