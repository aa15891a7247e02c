#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "supervisor/answer.h"
#include "supervisor/lost_answers.h"

namespace tidewaiter::supervisor {

// Recognises a call that was performed although its answer never reached the target (a signal took it out of
// the call): the kernel restarts such a call under a new id, and most cannot be performed twice.
struct PerformedCall {
  pid_t tid = 0;
  int number = 0;                   // syscall
  std::uint64_t socket_cookie = 0;  // 0: unknown
  std::vector<std::byte> address;   // as captured; of a send, what tells it from another (send.cc)
  // Only the same thread's next call of this kind on the socket says that the call does not come again:
  // others may be at it as well.
  bool of_thread_alone = false;
  // Of sendmmsg: the bytes of the last message that it sent, which the target may not have been told. No part
  // of what tells one call from another.
  std::uint32_t last_length = kToldLength;

  // It has been told, or there is none.
  static constexpr std::uint32_t kToldLength = ~0U;

  [[nodiscard]] bool is(const LostAnswer& lost) const;
};

// The last few such calls of a container, in memory that outlives the worker. Thread-safe; one at a time.
//
// SAFETY: a worker may die after any instruction. An entry counts when all of it is there (LostAnswer::held),
// and goes only when what it says is noted elsewhere: forget().
class Repeats {
 public:
  explicit Repeats(LostAnswers lost) : lost_(lost) {}

  void remember(const PerformedCall& call, const Answer& lost);
  // The answer that was lost, if `call` was performed before, and its `last_length`. Forgets what else was
  // performed on this socket, as far as it is past that.
  std::optional<Answer> find(const PerformedCall& call, std::uint32_t* last_length = nullptr);
  void forget(const PerformedCall& call);

 private:
  [[nodiscard]] std::span<LostAnswer> used() const;
  LostAnswer& room();

  const LostAnswers lost_;
  std::mutex mutex_;
  std::size_t oldest_ = 0;  // as far as this worker knows
};

}  // namespace tidewaiter::supervisor
