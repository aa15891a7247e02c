#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "supervisor/answer.h"

namespace tidewaiter::supervisor {

// The threads of one container that receive and serve notifications, and who of them waits in a call made on
// a target's behalf.
//
// One thread at a time has the turn to receive: the kernel wakes all that wait to receive for each
// notification, and all but one would go back to sleep. A receiver serves what it received itself, and keeps
// the turn meanwhile: to wake another thread costs more than most calls take. Before a call that may block it
// says so (begin()), which passes the turn on and starts another receiver when too few would be left to
// receive. So a call that blocks holds up nobody but its caller.
//
// Who has waited in vain for the turn for kIdle ends, down to the one that has it, and others are started
// when that one passes it on: of many containers most are idle, and what a thread costs is its stack.
//
// A target that a signal takes out of its call is not announced by the kernel, and may call again before
// its former call has been served to the end. enter() lets one thread at a time serve a target: else the
// second could perform what the first is performing still.
//
// What is not expected to block may do so all the same: reading memory that a file system in user space backs
// takes as long as that file system likes. Who has the turn and serves for long loses it, and for a while
// nobody keeps it who serves anything that could take its time. While no receiver is free, those that have
// served for long count as waiting, too, and are replaced.
//
// Whoever waits for a target that is gone is interrupted (SIGUSR1, so that its call ends with EINTR as the
// target's own would have): at once when the same target calls again, else when look_after() is called, which
// Agent does while anything is served, and shortly after: the first enter() in a while wakes it through
// `wake_fd`.
class Waiting {
 public:
  // Each thread runs `body(context)` until that returns false or the thread is surplus, and then
  // `leave(context)`. `wake_fd`: a borrowed eventfd(2).
  using Body = bool (*)(void* context);
  using Leave = void (*)(void* context);
  // `idle`: how long a receiver waits for its turn before it ends.
  Waiting(Body body, void* context, unsigned receivers, unsigned limit, int wake_fd, Leave leave = nullptr,
          std::chrono::milliseconds idle = kIdle);
  ~Waiting();  // stop()
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  // Starts the receivers. Fails when no thread can be had.
  Status start();

  static constexpr std::chrono::milliseconds kIdle{3'000};

  // Returns when the calling receiver is the one to receive. False: it is to end.
  bool take_turn();
  // Lets another receive, before what may take longer than an answer; starts one where none is left that
  // could. A no-op for who has not the turn.
  void pass_turn();

  // Around the call that receives: who makes it serves nothing. The second says whether what was received is
  // not to be served any more (begin_drain()).
  void begin_receive() { receive_calls_.fetch_add(1); }
  bool end_receive() {
    receive_calls_.fetch_sub(1);
    return draining();
  }

  // The calling receiver serves a call of the notification's target from now on. Who still serves a former
  // call of it is interrupted, and this returns when they have ended: a thread is in one call at a time.
  // False: the target is not waiting any more, or no further thread can be had to receive meanwhile; the call
  // is not to be served.
  bool enter(const Notification& notification);

  enum class Expected {
    kBlocks,  // it often does: the turn is passed on
    kReturns  // it can block, but seldom does
  };
  // The calling receiver is about to make a call that may block for the notification's target. False: as many
  // calls wait already as the container may have, or no further thread can be had; it must not block.
  // REQUIRES: enter(). The notification lives until end().
  bool begin(const Notification& notification, Expected expected = Expected::kBlocks);

  // The calling receiver does nothing more for the target that another call of it could not stand beside. A
  // no-op without enter().
  void end();

  // Interrupts what waits for a notification that no longer stands; every thread, after begin_stop(). Takes
  // the turn from who serves for long. Returns whether to call again soon: something is served, or was a
  // moment ago. After it returned false, the next enter() writes to `wake_fd`.
  bool look_after();

  // What is being served is served to its end, and then every thread is to end, as after begin_stop():
  // look_after() has to be called until they have. What they receive meanwhile they are told not to serve.
  void begin_drain();
  [[nodiscard]] bool draining() const { return draining_; }

  // Every thread is to end; none is waited for, for the kernel lets some calls be interrupted by nothing.
  // Further begin() fail.
  void begin_stop();
  [[nodiscard]] bool stopping() const;
  // Whether no thread is left: after begin_stop(), or because each had to give up. The last one writes to
  // `wake_fd`.
  [[nodiscard]] bool ended() const;

  // Interrupts every thread until all have ended.
  void stop();

  // Installs the handler of kInterrupt; once per process, before any thread starts.
  static Status install_interrupt();
  static constexpr int kInterrupt = SIGUSR1;

 private:
  using Time = std::chrono::steady_clock::time_point;
  // One for each thread that receives, as long as it lives.
  struct Receiver {
    bool serves = false;  // between enter() and end()
    bool leaves = false;  // leaving_ counts it
  };
  struct Entry {
    pthread_t thread;
    const Receiver* receiver;
    pid_t tid;
    Time since;
    bool stuck = false;                       // has served for long while no receiver was free
    const Notification* waits_for = nullptr;  // between begin() and end()
  };

  static void* run(void* self);
  bool start_thread_locked();
  bool leave_receivers_locked();
  void watch_locked();
  [[nodiscard]] bool all_busy_locked() const;
  void replace_stuck_locked(Time long_ago);
  [[nodiscard]] bool has_turn() const;
  void pass_turn_locked();
  void offer_turn_locked();
  // As offer_turn_locked(), but to those that are there already.
  void give_up_turn_locked();
  // What who has the turn serves; nullptr: it waits for a notification, or serves what needs no enter().
  [[nodiscard]] const Entry* served_with_turn_locked() const;
  void take_turn_from_who_is_stuck_locked(Time now);
  [[nodiscard]] bool nobody_serves_locked() const;
  void interrupt_all_locked();
  bool surplus();
  [[nodiscard]] std::size_t waiting_locked() const;
  // Threads that are there to stay.
  [[nodiscard]] std::size_t staying_locked() const { return threads_.size() - leaving_; }

  const Body body_;
  const Leave leave_;
  void* const context_;
  const unsigned receivers_;  // threads that receive, at least
  const unsigned limit_;      // threads altogether
  const int wake_fd_;
  const std::chrono::milliseconds idle_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable turn_;
  // Who has the turn. Written under the lock; a thread may read without it whether that is itself.
  std::atomic<const Receiver*> receiving_ = nullptr;
  Time all_pass_until_{};    // who serves passes the turn on at once: somebody was stuck
  unsigned in_line_ = 0;     // threads that wait for the turn
  std::size_t leaving_ = 0;  // those that have waited for it in vain, and are about to end
  std::vector<pthread_t> threads_;
  std::vector<Entry> serving_;
  std::size_t entering_ = 0;  // threads that wait in enter()
  bool watched_ = false;      // look_after() will be called soon
  int quiet_looks_;           // calls of look_after() since somebody entered
  bool stopping_ = false;
  // Sequentially consistent, both: who has been counted as receiving after draining_ was set will find it set
  // when it has received.
  std::atomic<unsigned> receive_calls_ = 0;  // threads between begin_receive() and end_receive()
  std::atomic<bool> draining_ = false;

  static thread_local Receiver own;
};

}  // namespace tidewaiter::supervisor
