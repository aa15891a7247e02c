#include "supervisor/waiting.h"

#include <sys/eventfd.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <utility>

namespace tidewaiter::supervisor {
namespace {

// How soon an interrupt is repeated: the first may have come just before the call it was meant for.
constexpr std::chrono::milliseconds kRepeatInterrupt{2};

// Receivers beyond the needed ones that are kept: one call after the other would start and end a thread each.
constexpr std::size_t kSpare = 2;

// What takes longer than this may take for ever.
constexpr std::chrono::milliseconds kLong{20};

// How long nobody keeps the turn for a call that could take its time, after somebody was stuck with it.
constexpr std::chrono::seconds kAllPass{1};

// Looks after nobody has entered before the agent may sleep again: to wake it for each call of several in a
// row would cost more than the looks.
constexpr int kQuietLooks = 5;

// Threads serve with small buffers on the stack; sanitizers need more room.
constexpr std::size_t kStackSize = 1U << 20U;

// Where the calling thread handles a signal while its own stack is used up: whose notification used it up is
// to be noted all the same (worker_process.cc).
class SignalStack {
 public:
  // Of its own, and not of a heap: hardly any is ever written to, and pages that nobody touches cost nothing.
  SignalStack()
      : memory_(
            ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (memory_ == MAP_FAILED) return;
    const stack_t stack = {memory_, 0, kSize};
    (void)::sigaltstack(&stack, nullptr);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;
  ~SignalStack() {
    if (memory_ == MAP_FAILED) return;
    const stack_t none = {nullptr, SS_DISABLE, 0};
    (void)::sigaltstack(&none, nullptr);
    (void)::munmap(memory_, kSize);
  }

 private:
  static constexpr std::size_t kSize = 32768;
  void* memory_;
};

}  // namespace

// Each thread is a receiver of one Waiting.
thread_local Waiting::Receiver Waiting::own;

Status Waiting::install_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  // Not SA_RESTART: the point is that the interrupted call returns.
  if (::sigaction(kInterrupt, &action, nullptr) != 0) return fail(errno, "sigaction");
  return {};
}

Waiting::Waiting(Body body, void* context, unsigned receivers, unsigned limit, int wake_fd, Leave leave,
                 std::chrono::milliseconds idle)
    : body_(body),
      leave_(leave),
      context_(context),
      receivers_(receivers),
      limit_(limit),
      wake_fd_(wake_fd),
      idle_(idle),
      quiet_looks_(kQuietLooks) {}

Waiting::~Waiting() { stop(); }

Status Waiting::start() {
  const std::lock_guard lock(mutex_);
  for (unsigned i = 0; i < receivers_; ++i) {
    if (!start_thread_locked()) return fail(EAGAIN, "start a receiver");
  }
  return {};
}

bool Waiting::start_thread_locked() {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ::pthread_attr_setstacksize(&attributes, kStackSize);
  pthread_t thread{};
  const int error = ::pthread_create(&thread, &attributes, run, this);
  ::pthread_attr_destroy(&attributes);
  if (error != 0) return false;
  threads_.push_back(thread);
  return true;
}

void* Waiting::run(void* self) {
  const SignalStack signal_stack;
  auto& waiting = *static_cast<Waiting*>(self);
  // Who has the turn is not surplus.
  while (waiting.body_(waiting.context_) && (waiting.has_turn() || !waiting.surplus())) {
  }
  {
    // Nobody is started in its place: it ends because there is nothing to receive any more.
    const std::lock_guard lock(waiting.mutex_);
    if (waiting.has_turn()) waiting.give_up_turn_locked();
  }
  if (waiting.leave_ != nullptr) waiting.leave_(waiting.context_);
  const std::lock_guard lock(waiting.mutex_);
  if (std::exchange(own.leaves, false)) --waiting.leaving_;
  std::erase_if(waiting.threads_, [](pthread_t thread) { return ::pthread_equal(thread, ::pthread_self()); });
  // Under the lock: when the last thread is seen to be gone, `waiting` may be destroyed.
  waiting.changed_.notify_all();
  if (waiting.threads_.empty()) (void)::eventfd_write(waiting.wake_fd_, 1);
  return nullptr;
}

std::size_t Waiting::waiting_locked() const {
  const auto waits = [](const Entry& entry) { return entry.waits_for != nullptr || entry.stuck; };
  return entering_ + static_cast<std::size_t>(std::count_if(serving_.begin(), serving_.end(), waits));
}

// Sees to it that enough threads receive when one more waits.
bool Waiting::leave_receivers_locked() {
  if (staying_locked() >= receivers_ + waiting_locked() + 1) return true;
  return threads_.size() < limit_ && start_thread_locked();
}

// Has look_after() called soon.
void Waiting::watch_locked() {
  if (!std::exchange(watched_, true)) (void)::eventfd_write(wake_fd_, 1);
}

bool Waiting::all_busy_locked() const { return staying_locked() <= serving_.size() + entering_; }

void Waiting::replace_stuck_locked(Time long_ago) {
  for (Entry& entry : serving_) entry.stuck = entry.stuck || entry.since < long_ago;
  while (threads_.size() < limit_ && staying_locked() < receivers_ + waiting_locked()) {
    if (!start_thread_locked()) break;
  }
}

bool Waiting::surplus() {
  const std::lock_guard lock(mutex_);
  return stopping_ || staying_locked() - waiting_locked() > receivers_ + kSpare;
}

bool Waiting::has_turn() const { return receiving_.load(std::memory_order_relaxed) == &own; }

bool Waiting::take_turn() {
  // It may be lost the moment after: then two receive, and that costs a wake-up and nothing else.
  if (has_turn()) return true;
  std::unique_lock lock(mutex_);
  ++in_line_;
  const bool called = turn_.wait_for(lock, idle_, [this] { return receiving_ == nullptr || stopping_; });
  --in_line_;
  if (stopping_) return false;
  if (!called) {
    own.leaves = true;
    ++leaving_;
    return false;
  }
  receiving_ = &own;
  return true;
}

void Waiting::pass_turn() {
  if (!has_turn()) return;
  // Under the lock: once it is another's, `this` may be destroyed.
  const std::lock_guard lock(mutex_);
  pass_turn_locked();
}

void Waiting::pass_turn_locked() {
  if (has_turn()) offer_turn_locked();
}

void Waiting::offer_turn_locked() {
  give_up_turn_locked();
  // Where no thread can be had, the one that had the turn comes back, and receives.
  if (in_line_ == 0 && !stopping_ && threads_.size() < limit_ && staying_locked() < receivers_) {
    (void)start_thread_locked();
  }
}

void Waiting::give_up_turn_locked() {
  receiving_ = nullptr;
  turn_.notify_one();
}

const Waiting::Entry* Waiting::served_with_turn_locked() const {
  const auto entry = std::find_if(serving_.begin(), serving_.end(),
                                  [this](const Entry& each) { return each.receiver == receiving_; });
  return entry == serving_.end() ? nullptr : &*entry;
}

void Waiting::take_turn_from_who_is_stuck_locked(Time now) {
  const Entry* const entry = served_with_turn_locked();
  if (entry == nullptr || entry->since >= now - kLong) return;
  all_pass_until_ = now + kAllPass;
  offer_turn_locked();
}

bool Waiting::enter(const Notification& notification) {
  const pid_t tid = notification.tid();
  std::unique_lock lock(mutex_);
  Time now = std::chrono::steady_clock::now();
  if (now < all_pass_until_) pass_turn_locked();
  for (;;) {
    const auto of_target = [tid](const Entry& entry) { return entry.tid == tid; };
    if (std::none_of(serving_.begin(), serving_.end(), of_target)) break;
    pass_turn_locked();
    // Where this one has been abandoned as well, it is a later call that is being served.
    if (!notification.still_stands()) return false;
    for (const Entry& entry : serving_) {
      if (of_target(entry)) ::pthread_kill(entry.thread, kInterrupt);
    }
    if (stopping_ || !leave_receivers_locked()) return false;
    ++entering_;
    changed_.wait_for(lock, kRepeatInterrupt);
    --entering_;
    now = std::chrono::steady_clock::now();
    if (!notification.still_stands()) return false;
  }
  own.serves = true;
  serving_.push_back({::pthread_self(), &own, tid, now});
  quiet_looks_ = 0;
  if (has_turn() || all_busy_locked()) watch_locked();
  return true;
}

bool Waiting::begin(const Notification& notification, Expected expected) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return false;
  if (expected == Expected::kBlocks) pass_turn_locked();
  if (!leave_receivers_locked()) return false;
  for (Entry& entry : serving_) {
    if (entry.receiver == &own) entry.waits_for = &notification;
  }
  watch_locked();
  return true;
}

void Waiting::end() {
  if (!std::exchange(own.serves, false)) return;
  const std::lock_guard lock(mutex_);
  if (std::erase_if(serving_, [](const Entry& entry) { return entry.receiver == &own; }) != 0) {
    changed_.notify_all();
  }
}

// Whoever receives now, or gets the turn to, will not serve what it receives.
bool Waiting::nobody_serves_locked() const { return threads_.size() == in_line_ + receive_calls_; }

void Waiting::begin_drain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
}

bool Waiting::look_after() {
  const std::lock_guard lock(mutex_);
  if (draining_ && nobody_serves_locked()) stopping_ = true;
  if (stopping_) {
    interrupt_all_locked();
    return !threads_.empty();
  }
  const Time now = std::chrono::steady_clock::now();
  take_turn_from_who_is_stuck_locked(now);
  watched_ = ++quiet_looks_ <= kQuietLooks || served_with_turn_locked() != nullptr || all_busy_locked();
  if (all_busy_locked()) replace_stuck_locked(now - kLong);
  for (const Entry& entry : serving_) {
    if (entry.waits_for == nullptr) continue;
    watched_ = true;
    if (!entry.waits_for->still_stands()) ::pthread_kill(entry.thread, kInterrupt);
  }
  return watched_ || draining_;
}

void Waiting::interrupt_all_locked() {
  for (const pthread_t thread : threads_) ::pthread_kill(thread, kInterrupt);
  turn_.notify_all();
}

void Waiting::begin_stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  interrupt_all_locked();
}

void Waiting::stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  while (!threads_.empty()) {
    interrupt_all_locked();
    changed_.wait_for(lock, kRepeatInterrupt);
  }
}

bool Waiting::ended() const {
  const std::lock_guard lock(mutex_);
  return threads_.empty();
}

bool Waiting::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

}  // namespace tidewaiter::supervisor
