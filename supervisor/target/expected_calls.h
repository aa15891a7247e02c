#pragma once

#include <linux/seccomp.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

namespace tidewaiter::supervisor {

// The calls that stand-ins (stand_in.h) of one container are about to make, and which come back to the agent
// as notifications, since a stand-in lives under the container's filter like any other thread. Whoever
// receives one answers it at once. Thread-safe.
//
// SAFETY: such a call may be let run. Its registers are the agent's own, nobody but the tracer changes a
// thread's registers while it waits in a notification, and what they point to nobody can change either
// (SealedMemory). A stand-in that was killed may be forgotten a moment after its number is another thread's:
// who answers has to ask whether the one that calls is traced by whoever expected the call (is_driven()).
class ExpectedCalls {
 public:
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
    Expected& expected = calls_[tid];
    expected = call;
    expected.tracer = ::gettid();
    count_.store(calls_.size(), std::memory_order_release);
  }

  void forget(pid_t tid) {
    const std::lock_guard lock(mutex_);
    calls_.erase(tid);
    count_.store(calls_.size(), std::memory_order_release);
  }

  // What is expected of the thread, once; nullopt: nothing, it is no stand-in. A call other than the expected
  // one gets `number` -1: it is to be refused.
  std::optional<Expected> take(pid_t tid, const struct seccomp_data& call) {
    // Mostly there is no stand-in at all. One is registered before it can make a call.
    if (count_.load(std::memory_order_acquire) == 0) return std::nullopt;
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
  std::mutex mutex_;
  std::map<pid_t, Expected> calls_;
};

}  // namespace tidewaiter::supervisor
