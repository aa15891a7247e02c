#include <algorithm>

#include "supervisor/operations/operation.h"

namespace tidewaiter::supervisor {

void Repeats::remember(PerformedCall call, const Answer& lost) {
  if (call.socket_cookie == 0) return;
  const std::lock_guard lock(mutex_);
  if (entries_.size() == kLimit) entries_.erase(entries_.begin());
  entries_.push_back({std::move(call), lost});
}

std::optional<Answer> Repeats::take(const PerformedCall& call, std::vector<std::uint32_t>* lengths) {
  const std::lock_guard lock(mutex_);
  std::optional<Answer> answer;
  std::erase_if(entries_, [&](Entry& entry) {
    if (entry.call.is(call)) {
      answer = entry.answer;
      if (lengths != nullptr) *lengths = std::move(entry.call.lengths);
    }
    return entry.call.socket_cookie == call.socket_cookie && entry.call.number == call.number &&
           (!entry.call.of_thread_alone || entry.call.tid == call.tid);
  });
  return answer;
}

}  // namespace tidewaiter::supervisor
