#pragma once

#include <linux/seccomp.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

namespace tidewaiter::supervisor {

// The threads that are stand-ins, in memory that the process which drives them shares with those that
// receive notifications. One process writes; a thread is there before it can make a call.
// SAFETY: memory that is all zero has none.
class StandInThreads {
 public:
  static constexpr std::size_t kMost = 512;

  // REQUIRES: fewer than kMost are there.
  void add(pid_t tid) {
    for (auto& each : tids_) {
      pid_t none = 0;
      if (!each.compare_exchange_strong(none, tid, std::memory_order_acq_rel)) continue;
      count_.fetch_add(1, std::memory_order_release);
      return;
    }
  }
  void remove(pid_t tid) {
    for (auto& each : tids_) {
      pid_t there = tid;
      if (!each.compare_exchange_strong(there, 0, std::memory_order_acq_rel)) continue;
      count_.fetch_sub(1, std::memory_order_release);
      return;
    }
  }
  // Of a process that has died.
  void clear() {
    for (auto& each : tids_) each.store(0, std::memory_order_relaxed);
    count_.store(0, std::memory_order_release);
  }
  [[nodiscard]] bool has(pid_t tid) const {
    // Mostly there is none at all.
    if (tid == 0 || count_.load(std::memory_order_acquire) == 0) return false;
    return std::any_of(tids_.begin(), tids_.end(),
                       [tid](const auto& each) { return each.load(std::memory_order_acquire) == tid; });
  }

 private:
  std::atomic<std::uint32_t> count_{0};
  std::array<std::atomic<pid_t>, kMost> tids_{};
};
static_assert(std::atomic<pid_t>::is_always_lock_free);

// The calls that stand-ins (stand_in.h) of one container are about to make, and which come back to the agent
// as notifications, since a stand-in lives under the container's filter like any other thread. Whoever drives
// them answers each at once. Thread-safe.
//
// SAFETY: such a call may be let run. Its registers are the agent's own, nobody but the tracer changes a
// thread's registers while it waits in a notification, and what they point to nobody can change either
// (SealedMemory). A stand-in that was killed may be forgotten a moment after its number is another thread's:
// who answers has to ask whether the one that calls is traced by whoever expected the call (is_driven()).
class ExpectedCalls {
 public:
  ExpectedCalls() = default;
  // Whoever receives is another process, and is told by `threads` which calls to pass on.
  explicit ExpectedCalls(StandInThreads& threads) : threads_(&threads) {}

  struct Expected {
    long number = -1;
    std::array<std::uint64_t, 6> arguments = {};
    // A descriptor of ours that the call is to return instead of being made, put into the caller's table; -1:
    // the kernel makes it.
    int install = -1;
    pid_t tracer = 0;  // the thread that drives the stand-in
  };

  // REQUIRES: the calling thread drives it.
  void expect(pid_t tid, const Expected& call) {
    const std::lock_guard lock(mutex_);
    Expected driven = call;
    driven.tracer = ::gettid();
    if (calls_.insert_or_assign(tid, driven).second && threads_ != nullptr) threads_->add(tid);
    count_.store(calls_.size(), std::memory_order_release);
  }

  void forget(pid_t tid) {
    const std::lock_guard lock(mutex_);
    if (calls_.erase(tid) != 0 && threads_ != nullptr) threads_->remove(tid);
    count_.store(calls_.size(), std::memory_order_release);
  }

  // Whether it is a stand-in.
  [[nodiscard]] bool has(pid_t tid) const {
    // Mostly there is none at all. One is registered before it can make a call.
    if (count_.load(std::memory_order_acquire) == 0) return false;
    const std::lock_guard lock(mutex_);
    return calls_.contains(tid);
  }

  // What is expected of the thread, once; nullopt: nothing, it is no stand-in. A call other than the expected
  // one gets `number` -1: it is to be refused.
  std::optional<Expected> take(pid_t tid, const struct seccomp_data& call) {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(tid);
    if (found == calls_.end()) return std::nullopt;
    Expected expected = found->second;
    bool same = expected.number == call.nr;
    for (std::size_t i = 0; i < expected.arguments.size(); ++i) same &= expected.arguments[i] == call.args[i];
    found->second = {};
    if (!same) expected = {};
    return expected;
  }

 private:
  std::atomic<std::size_t> count_ = 0;
  mutable std::mutex mutex_;
  std::map<pid_t, Expected> calls_;
  StandInThreads* threads_ = nullptr;
};

}  // namespace tidewaiter::supervisor
