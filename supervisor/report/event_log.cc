#include "supervisor/report/event_log.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "oci/base/log.h"
#include "supervisor/report/event_file.h"

namespace tidewaiter::supervisor {
namespace {

// How often the thread looks for more before it sleeps: as long as events keep coming, nobody who answers has
// to wake it.
constexpr int kLooks = 25;

// Lines that are written together.
constexpr std::size_t kBatchBytes = 64U << 10U;

struct Entry {
  Event event;
  std::string line;  // of an event that came as one; else empty
};

}  // namespace

class EventLog::Queue {
 public:
  Queue(EventFile file, EventCounts* counts, const Bounds& bounds)
      : file_(std::move(file)), counts_(counts != nullptr ? *counts : own_counts_), bounds_(bounds) {
    file_.keep_lost_in(counts_.lost);
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue() {
    std::unique_lock lock(mutex_);
    ending_ = true;
    work_.notify_one();
    done_.wait(lock, [this] { return !writing_; });
  }

  std::string_view keep(std::string name) {
    const std::lock_guard lock(mutex_);
    return *names_.insert(std::move(name)).first;
  }

  void append(Entry entry) {
    // Before all else: what a killed process had on its way is not to be missed.
    counts_.appended.fetch_add(1, std::memory_order_release);
    std::unique_lock lock(mutex_);
    if (!has_room() && !wait_for_room(lock)) {
      ++lost_;
      return;
    }
    const bool half_before = half_full();
    bytes_ += entry.line.size();
    waiting_.push_back(std::move(entry));
    ++appended_;
    full_.store(!has_room(), std::memory_order_relaxed);
    if (!writing_) return begin_writing(lock);
    // Half full: sooner than after kDelay, that nobody has to wait for room.
    const bool wake = std::exchange(asleep_, false) || (!half_before && half_full());
    lock.unlock();
    if (wake) work_.notify_one();
  }

  [[nodiscard]] bool full() const { return full_.load(std::memory_order_relaxed); }

  Status resume() {
    Status resumed = file_.resume();
    const std::uint64_t appended = counts_.appended.load(std::memory_order_acquire);
    const std::uint64_t settled = counts_.settled.load(std::memory_order_acquire);
    // What is counted twice, should this process die in between, is better than what is not counted.
    file_.count_lost(appended - std::min(appended, settled));
    counts_.settled.store(appended, std::memory_order_release);
    return resumed;
  }
  void tell_lost(std::uint64_t events) { file_.count_lost(events); }

  void flush() {
    std::unique_lock lock(mutex_);
    const std::uint64_t until = appended_;
    if (written_ >= until && lost_ == 0) return;
    hurry_ = true;
    work_.notify_one();
    done_.wait(lock, [&] { return written_ >= until && lost_ == 0; });
  }

 private:
  [[nodiscard]] bool has_room() const { return waiting_.size() < bounds_.events && bytes_ < bounds_.bytes; }
  [[nodiscard]] bool half_full() const {
    return waiting_.size() >= bounds_.events / 2 || bytes_ >= bounds_.bytes / 2;
  }

  bool wait_for_room(std::unique_lock<std::mutex>& lock) {
    // Who comes while a file system hangs does not wait again for what others have waited for in vain.
    if (hangs_) return false;
    const bool room =
        room_.wait_for(lock, bounds_.patience, [&] { return has_room() || hangs_; }) && has_room();
    hangs_ = !room;
    return room;
  }

  void begin_writing(std::unique_lock<std::mutex>& lock) {
    writing_ = true;
    if (start_thread()) return;
    write_waiting(lock);
    writing_ = false;
    done_.notify_all();
  }

  bool start_thread() {
    // Signals are for the threads that wait for them.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = true;
    try {
      // Not to be joined, for until then its stack would stay.
      std::thread([this] { run(); }).detach();
    } catch (const std::system_error&) {
      started = false;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
  }

  // The thread's.
  void run() {
    std::unique_lock lock(mutex_);
    waiting_.reserve(bounds_.events);
    taken_.reserve(bounds_.events);
    do {
      write_waiting(lock);
    } while (!ending_ && await_more(lock));
    // Of each no more than it had before the thread was started.
    for (auto* const entries : {&waiting_, &taken_}) std::vector<Entry>().swap(*entries);
    std::string().swap(text_);
    std::vector<std::size_t>().swap(ends_);
    writing_ = false;
    // Under the lock: when it is seen, all of this may be destroyed.
    done_.notify_all();
  }

  // False: nothing has come for kLinger, or nothing is to come.
  bool await_more(std::unique_lock<std::mutex>& lock) {
    const auto any = [this] { return ending_ || !waiting_.empty() || lost_ != 0; };
    for (int look = 0; look < kLooks; ++look) {
      if (work_.wait_for(lock, kDelay, [this] { return ending_ || hurry_; }) || any()) return any();
    }
    asleep_ = true;
    work_.wait_for(lock, kLinger, [&] { return any() || !asleep_; });
    asleep_ = false;
    return any();
  }

  // Returns when there is nothing more to write. Unlocks in between.
  void write_waiting(std::unique_lock<std::mutex>& lock) {
    while (!waiting_.empty() || lost_ != 0) {
      waiting_.swap(taken_);
      bytes_ = 0;
      full_.store(false, std::memory_order_relaxed);
      const std::uint64_t lost = std::exchange(lost_, 0);
      hurry_ = false;
      hangs_ = false;
      room_.notify_all();
      lock.unlock();
      write();
      // They found no room behind what has just been written.
      if (lost > 0) {
        log::error("events are being lost: they cannot be written fast enough");
        file_.count_lost(lost);
      }
      const std::size_t written = taken_.size();
      counts_.settled.fetch_add(written + lost, std::memory_order_release);
      taken_.clear();
      lock.lock();
      written_ += written;
      done_.notify_all();
      work_.wait_for(lock, kDelay, [&] { return ending_ || hurry_ || half_full(); });
    }
    hurry_ = false;
  }

  void write() {
    for (const Entry& entry : taken_) {
      text_ += entry.line.empty() ? to_json_line(entry.event) : entry.line;
      ends_.push_back(text_.size());
      if (text_.size() >= kBatchBytes) write_batch();
    }
    write_batch();
  }

  void write_batch() {
    if (!ends_.empty()) file_.append_lines(text_, ends_);
    text_.clear();
    ends_.clear();
  }

  EventFile file_;
  EventCounts own_counts_;
  EventCounts& counts_;
  const Bounds bounds_;
  // Of whoever writes.
  std::vector<Entry> taken_;
  std::string text_;
  std::vector<std::size_t> ends_;

  std::mutex mutex_;  // of what follows; never held while anything is written
  std::condition_variable work_;
  std::condition_variable room_;
  std::condition_variable done_;
  std::set<std::string> names_;
  std::vector<Entry> waiting_;
  std::size_t bytes_ = 0;  // of its lines
  std::atomic<bool> full_ = false;
  std::uint64_t appended_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t lost_ = 0;  // since `waiting_` was taken the last time
  bool writing_ = false;    // somebody does, and goes on until nothing waits
  bool asleep_ = false;     // the thread, until something comes
  bool hurry_ = false;
  bool hangs_ = false;  // somebody has waited in vain since `waiting_` was taken the last time
  bool ending_ = false;
};

Result<EventLog> EventLog::open(const std::string& directory, const std::string& name,
                                std::uint64_t max_bytes, EventCounts* counts, const Bounds& bounds) {
  return EventLog(std::make_unique<Queue>(TRY(EventFile::open(directory, name, max_bytes)), counts, bounds));
}

EventLog::EventLog(std::unique_ptr<Queue> queue) : queue_(std::move(queue)) {}
EventLog::EventLog(EventLog&& other) noexcept = default;
EventLog::~EventLog() = default;

std::string_view EventLog::keep(std::string name) { return queue_->keep(std::move(name)); }
void EventLog::append(Event event) { queue_->append({std::move(event), {}}); }
void EventLog::append(std::string line) { queue_->append({{}, std::move(line)}); }
bool EventLog::full() const { return queue_->full(); }
void EventLog::flush() { queue_->flush(); }
Status EventLog::resume() { return queue_->resume(); }
void EventLog::tell_lost(std::uint64_t events) { queue_->tell_lost(events); }

}  // namespace tidewaiter::supervisor
